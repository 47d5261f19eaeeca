import type { DType } from '../../files/dtype.ts';
import { type BlockCodec, q4_0, q4_1, q5_0, q5_1, q8_0, q8_K } from './blocks.ts';
import { iq4_NL, iq4_XS, mxfp4, nvfp4, tq1_0, tq2_0 } from './small-blocks.ts';
import { q2_K, q3_K, q4_K, q5_K, q6_K } from './super-blocks.ts';

/** How ggml stores a tensor: plain elements, or blocks that are taken apart when they are read. */
export type GgmlType =
  | { readonly name: string; readonly dtype: DType }
  | { readonly name: string; readonly codec: BlockCodec }
  | { readonly name: string; readonly refused: true };

const plain: Readonly<Record<number, readonly [string, DType]>> = {
  0: ['F32', 'float32'],
  1: ['F16', 'float16'],
  24: ['I8', 'int8'],
  25: ['I16', 'int16'],
  26: ['I32', 'int32'],
  27: ['I64', 'int64'],
  28: ['F64', 'float64'],
  30: ['BF16', 'bfloat16'],
};

const blocks: Readonly<Record<number, readonly [string, BlockCodec]>> = {
  2: ['Q4_0', q4_0],
  3: ['Q4_1', q4_1],
  6: ['Q5_0', q5_0],
  7: ['Q5_1', q5_1],
  8: ['Q8_0', q8_0],
  10: ['Q2_K', q2_K],
  11: ['Q3_K', q3_K],
  12: ['Q4_K', q4_K],
  13: ['Q5_K', q5_K],
  14: ['Q6_K', q6_K],
  15: ['Q8_K', q8_K],
  20: ['IQ4_NL', iq4_NL],
  23: ['IQ4_XS', iq4_XS],
  34: ['TQ1_0', tq1_0],
  35: ['TQ2_0', tq2_0],
  39: ['MXFP4', mxfp4],
  40: ['NVFP4', nvfp4],
};

/** Known, and not read: code books of their own, formats no file has any more. */
const refused: Readonly<Record<number, string>> = {
  4: 'Q4_2',
  5: 'Q4_3',
  9: 'Q8_1',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  21: 'IQ3_S',
  22: 'IQ2_S',
  29: 'IQ1_M',
  31: 'Q4_0_4_4',
  32: 'Q4_0_4_8',
  33: 'Q4_0_8_8',
  36: 'IQ4_NL_4_4',
  37: 'IQ4_NL_4_8',
  38: 'IQ4_NL_8_8',
  41: 'Q1_0',
};

/** The type of a number in a tensor's entry; undefined for one that ggml does not have. */
export function ggmlType(code: number): GgmlType | undefined {
  if (Object.hasOwn(plain, code)) {
    const [name, dtype] = plain[code] as readonly [string, DType];
    return { name, dtype };
  }
  if (Object.hasOwn(blocks, code)) {
    const [name, codec] = blocks[code] as readonly [string, BlockCodec];
    return { name, codec };
  }
  return Object.hasOwn(refused, code) ? { name: refused[code] as string, refused: true } : undefined;
}

/** The names of the types that are taken apart, for messages. */
export const readBlocks: string = Object.values(blocks)
  .map(([name]) => name)
  .join(', ');
