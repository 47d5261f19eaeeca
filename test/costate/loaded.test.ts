import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../src/cli/model-files.ts';
import { costate } from '../../src/costate/costate.ts';
import { withCopiesLoaded } from '../../src/costate/parameters/loaded.ts';
import { fromNumbers, isStored, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { normal } from '../ops/run.ts';

const [rows, columns] = [1100, 256];
const words = normal('float32', [rows, columns], 1);

function transposed(tensor: Tensor): Tensor {
  const values = toNumbers(tensor);
  const moved = Float64Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
  return fromNumbers('float32', [columns, rows], moved);
}

/** As the TorchScript exporter writes a tied embedding and a layer besides, more than a mebibyte each: left in the file when it is opened. */
async function opened(): Promise<Model> {
  const ids = input('ids', 'int64', ['n']);
  const h = op.gather(parameter('token.weight', words), ids);
  const mixed = op.matMul(h, parameter('onnx::MatMul_7', normal('float32', [columns, 1200], 2)));
  const back = op.matMul(mixed, parameter('other', normal('float32', [1200, columns], 3)));
  const y = op.matMul(back, parameter('onnx::MatMul_9', transposed(words)));
  const made = model({ inputs: [ids], outputs: { y }, producer: { name: 'pytorch', version: '2' } });
  const file = join(mkdtempSync(join(tmpdir(), 'hopfcole-loaded-')), 'tied.onnx');
  writeFileSync(file, encodeModel(toProto(made)));
  return (await openModel(file)).model;
}

const inFile = ({ graph }: Model): string[] =>
  graph.parameters.flatMap(({ name, source }) =>
    source.kind === 'parameter' && isStored(source.tensor) ? [name ?? ''] : [],
  );

describe('copies of parameters that are still in a file', () => {
  it('are not taken for strangers: what they may be copies of gets no co-state', async () => {
    const read = await opened();
    expect(inFile(read)).toHaveLength(4);
    const { changed, gradients } = costate(read, { wrt: ['parameters'] });
    expect(changed.map(({ name }) => name)).toContain('token.weight');
    expect(gradients.map(({ wrt }) => wrt)).not.toContain('token.weight');
  });

  it('are tied again once they are loaded; what cannot be one stays where it is', async () => {
    const loaded = await withCopiesLoaded(await opened());
    expect(inFile(loaded)).not.toContain('token.weight');
    expect(inFile(loaded)).not.toContain('onnx::MatMul_9');
    const { changed, gradients } = costate(loaded, { wrt: ['parameters'] });
    expect(changed).toEqual([]);
    expect(gradients.map(({ wrt }) => wrt).sort()).toEqual(['onnx::MatMul_7', 'other', 'token.weight']);
  });
});
