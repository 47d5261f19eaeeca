import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { costate } from '../../src/cli/commands/costate.ts';
import { run } from '../../src/cli/commands/run.ts';
import { asHopfcoleError, toJson } from '../../src/cli/output.ts';
import { readArrays, writeOutputs } from '../../src/cli/tensor-files.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { perform } from '../support/command.ts';
import { root } from './process.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-costate-'));
const affine = join(root, 'fixtures/runtime/affine.onnx');
const x = fromNumbers('float32', [2, 4], [1, -2, 3, 0.5, -1, 0, 2, 4]);

/** fixtures/runtime/affine.onnx: y = relu(x w), w[i][j] = (3 i + j - 4) / 8. */
const w = (i: number, j: number) => (3 * i + j - 4) / 8;
const rows = [0, 1].map((b) => [0, 1, 2, 3].map((i) => toNumbers(x)[4 * b + i] ?? 0));
const z = rows.map((row) => [0, 1, 2].map((j) => row.reduce((sum, value, i) => sum + value * w(i, j), 0)));
const pulled = (bar: (b: number, j: number) => number) =>
  rows.flatMap((_, b) =>
    [0, 1, 2, 3].map((i) => [0, 1, 2].reduce((sum, j) => sum + ((z[b]?.[j] ?? 0) > 0 ? bar(b, j) * w(i, j) : 0), 0)),
  );

async function outputsOf(model: string, feeds: Readonly<Record<string, Tensor>>): Promise<Map<string, Tensor>> {
  const [input, output] = [join(folder, 'in.npz'), join(folder, 'out.npz')];
  await writeOutputs(input, new Map(Object.entries(feeds)));
  await perform(run, { model, input, output, ep: 'cpu' });
  return readArrays(output);
}

async function failure(args: Record<string, unknown>): Promise<{ code: string; line: string }> {
  const output = join(folder, 'never.onnx');
  const thrown: unknown = await perform(costate, { output, ...args }).then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  expect(existsSync(output)).toBe(false);
  const error = asHopfcoleError(thrown);
  return { code: error.code, line: error.line() };
}

const close = (got: Tensor | undefined, want: readonly number[]) => {
  const numbers = got === undefined ? [] : [...toNumbers(got)];
  expect(numbers.length).toBe(want.length);
  numbers.forEach((value, index) => {
    expect(value).toBeCloseTo(want[index] ?? Number.NaN, 5);
  });
};

describe('costate', () => {
  it('adds the co-state of the input to the outputs, and says so', async () => {
    const output = join(folder, 'ones.onnx');
    const { json, text } = await perform(costate, { model: affine, output });
    expect(JSON.parse(toJson(json))).toEqual({
      output,
      outputs: [
        { name: 'y', dtype: 'float32', shape: ['B', 3] },
        { name: 'costate_x', dtype: 'float32', shape: ['B', 4] },
      ],
      gradients: [{ wrt: 'x', name: 'costate_x', dtype: 'float32', shape: ['B', 4] }],
      changed: [],
      notDifferentiable: [],
    });
    expect(text.join('\n')).toContain('costate_x');
    await perform(check, { file: output });
    const got = await outputsOf(output, { x });
    close(
      got.get('y'),
      z.flat().map((value) => Math.max(0, value)),
    );
    close(
      got.get('costate_x'),
      pulled(() => 1),
    );
  });

  it('takes cotangents as inputs, and names several times or with commas', async () => {
    const output = join(folder, 'seeded.onnx');
    const { json } = await perform(costate, { model: affine, output, wrt: ['x', 'parameters'], seed: 'input' });
    const names = (json.gradients as { wrt: string }[]).map(({ wrt }) => wrt);
    expect(names[0]).toBe('x');
    expect(names.length).toBeGreaterThan(1);
    const again = await perform(costate, { model: affine, output, wrt: 'x,parameters', seed: 'input' });
    expect(again.json).toEqual(json);
    const bars = [0.5, -1, 2, 3, 0.25, -0.5];
    const got = await outputsOf(output, { x, cotangent_y: fromNumbers('float32', [2, 3], bars) });
    close(
      got.get('costate_x'),
      pulled((b, j) => bars[3 * b + j] ?? 0),
    );
  });

  it('gives a loss and its co-state', async () => {
    const output = join(folder, 'loss.onnx');
    const { json } = await perform(costate, { model: affine, output, loss: 'mse' });
    expect((json.outputs as { name: string }[]).map(({ name }) => name)).toEqual(['y', 'loss', 'costate_x']);
    const aim = [1, 0, -1, 0.5, 2, 3];
    const got = await outputsOf(output, { x, target: fromNumbers('float32', [2, 3], aim) });
    const y = (b: number, j: number) => Math.max(0, z[b]?.[j] ?? 0);
    const difference = (b: number, j: number) => y(b, j) - (aim[3 * b + j] ?? 0);
    close(got.get('loss'), [
      [0, 1].flatMap((b) => [0, 1, 2].map((j) => difference(b, j) ** 2)).reduce((a, b) => a + b) / 6,
    ]);
    close(
      got.get('costate_x'),
      pulled((b, j) => difference(b, j) / 3),
    );
  });

  it('gives Hessian-vector products: of a mean of squares through relu, M v', async () => {
    const output = join(folder, 'second.onnx');
    const { json } = await perform(costate, { model: affine, output, loss: 'mse', order: 2, direction: 'input' });
    expect((json.outputs as { name: string }[]).map(({ name }) => name)).toEqual(['y', 'loss', 'costate_x', 'hvp_x']);
    const v = [1, 2, -1, 0.5, 0, 1, 1, -2];
    const got = await outputsOf(output, {
      x,
      target: fromNumbers('float32', [2, 3], [1, 0, -1, 0.5, 2, 3]),
      direction_x: fromNumbers('float32', [2, 4], v),
    });
    const moved = (b: number, j: number) => [0, 1, 2, 3].reduce((sum, i) => sum + (v[4 * b + i] ?? 0) * w(i, j), 0);
    close(
      got.get('hvp_x'),
      pulled((b, j) => moved(b, j) / 3),
    );
  });

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['an unknown wrt', { wrt: 'X' }, 'UNKNOWN_NAME', /no value 'X'.*Did you mean 'x'\?/],
    ['an unknown of', { of: 'yy' }, 'UNKNOWN_NAME', /no value 'yy'.*Did you mean 'y'\?/],
    ['an empty name', { wrt: 'x,' }, 'BAD_USAGE', /--wrt/],
    ['a direction without order 2', { direction: 'input' }, 'BAD_USAGE', /--order 2/],
    ['classes without a loss', { 'class-axis': 1 }, 'BAD_USAGE', /--loss/],
    ['an axis of classes that is not there', { loss: 'nll', 'class-axis': 2 }, 'BAD_ARGUMENT', /float32\[B, 3\]/],
    ['an order that is not there', { order: 3 }, 'BAD_USAGE', /at most 2/],
    ['no such file', { model: 'no.onnx' }, 'FILE_NOT_FOUND', /no\.onnx/],
    ['a file that is no model', { model: join(root, 'README.md') }, '', /README/],
  ])('refuses %s', async (_, args, code, line) => {
    const told = await failure({ model: affine, ...args });
    if (code !== '') expect(told.code).toBe(code);
    expect(told.code).not.toBe('INTERNAL');
    expect(told.line).toMatch(line);
  });
});
