import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DType } from '../../src/files/dtype.ts';
import { type Tensor, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { python } from '../support/python.ts';

interface Run {
  readonly model: Model;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly engine?: 'ort' | 'reference';
}

type Encoded = Readonly<Record<string, { dtype: DType; shape: number[]; data: string }>>;
type Answer = { readonly outputs: Encoded } | { readonly error: string };

/** The outputs of models as they are, as numbers, after onnx's full check; all in one Python process. */
export function ran(runs: readonly Run[]): readonly Readonly<Record<string, readonly number[]>>[] {
  const sent = runs.map(({ model, inputs, engine = 'ort' }) => ({
    model: Buffer.from(encodeModel(toProto(model))).toString('base64'),
    engine,
    inputs: Object.fromEntries(
      Object.entries(inputs).map(([name, { dtype, shape, bytes }]) => [
        name,
        { dtype, shape, data: Buffer.from(bytes).toString('base64') },
      ]),
    ),
  }));
  const program = readFileSync(join(import.meta.dirname, '../ops/run.py'), 'utf8');
  const answers = JSON.parse(python(program, [], JSON.stringify(sent))) as Answer[];
  return answers.map((answer, index) => {
    if ('error' in answer) throw new Error(`run ${index}: ${answer.error}`);
    return Object.fromEntries(
      Object.entries(answer.outputs).map(([name, { dtype, shape, data }]) => [
        name,
        Array.from(toNumbers({ dtype, shape, bytes: new Uint8Array(Buffer.from(data, 'base64')) })),
      ]),
    );
  });
}
