import { type AnyTensor, load } from '../../src/files/tensor.ts';

/** A tensor as the fixtures' expected.json says it. */
export interface Described {
  dtype: string;
  shape: number[];
  hex?: string;
  strings?: string[];
}

/** Every tensor with its content, by name. */
export async function describeAll(tensors: ReadonlyMap<string, AnyTensor>): Promise<Record<string, Described>> {
  const out: [string, Described][] = [];
  for (const [name, tensor] of tensors) {
    const { dtype, shape, bytes, strings } = await load(tensor);
    const content = strings === undefined ? { hex: Buffer.from(bytes).toString('hex') } : { strings: [...strings] };
    out.push([name, { dtype, shape: [...shape], ...content }]);
  }
  return sorted(Object.fromEntries(out));
}

export function sorted(record: Record<string, Described>): Record<string, Described> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
