import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import type { Model } from '../../src/graph/graph.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { python } from '../support/python.ts';

export interface Feed {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | boolean)[];
}

export type Outputs = Readonly<Record<string, { readonly shape: number[]; readonly data: number[] }>>;

export function bytesOf(model: Model): Uint8Array {
  return encodeModel(toProto(model));
}

/** Outputs of each model in ONNX Runtime, after the full check, the runtime and onnx-proto have all taken it. */
export function judged(cases: readonly { model: Model; feeds: Readonly<Record<string, Feed>> }[]): readonly Outputs[] {
  const sent = cases.map(({ model, feeds }) => {
    const bytes = bytesOf(model);
    const read = onnxProto.onnx.ModelProto.decode(bytes);
    if (read.graph?.node?.length !== toProto(model).graph?.node?.length)
      throw new Error('onnx-proto reads another graph');
    return { model: Buffer.from(bytes).toString('base64'), feeds };
  });
  const program = readFileSync(join(import.meta.dirname, 'judge.py'), 'utf8');
  const answers = JSON.parse(python(program, [], JSON.stringify(sent))) as (Outputs | { error: string })[];
  return answers.map((answer, index) => {
    if (typeof answer.error === 'string') throw new Error(`model ${index}: ${answer.error}`);
    return answer as Outputs;
  });
}

export function errorCode(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : `not ours: ${String(error)}`;
  }
  return 'no error';
}
