import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { build } from '../src/cli/commands/build.ts';
import { openFile } from '../src/files/node/file.ts';
import { load, toNumbers } from '../src/files/tensor.ts';
import { readTensors } from '../src/files/tensors.ts';
import { assertValid } from '../src/graph/validate/validate.ts';
import { equalMessages } from '../src/onnx/equal.ts';
import { readModel } from '../src/onnx/read.ts';

const root = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'hopfcole-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function example(...args: string[]): string[] {
  const told = execFileSync(process.execPath, ['scripts/example.mjs', ...args], { cwd: root, encoding: 'utf8' });
  return told.trimEnd().split('\n');
}

/** The numbers after a word of a line. */
function numbersOf(line: string | undefined): number[] {
  return [...(line ?? '').replace(/^.*?\]/, '').matchAll(/-?\d+(?:\.\d+)?/g)].map(([digits]) => Number(digits));
}

describe('examples, run on the built package', () => {
  it('build: an operator of one’s own beside one of ai.hopfcole', () => {
    const lines = example('build', join(folder, 'build.onnx'));
    const rows = [
      [1, 0],
      [0.5, -0.5],
    ];
    const logits = rows.map(([a = 0, b = 0]) => [a, b + 0.1, -a - b + 0.2]);
    const mean = (sign: number) =>
      logits.map((z) => (sign / 2) * Math.log(z.reduce((s, v) => s + Math.exp(sign * 2 * v), 0)));
    const [low, high] = [mean(-1), mean(1)];
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['low', 'high', 'width']);
    const expected = [low, high, high.map((value, row) => value - (low[row] ?? 0))];
    for (const [line, values] of expected.entries()) {
      const told = numbersOf(lines[line]);
      expect(told).toHaveLength(values.length);
      for (const [row, value] of values.entries()) expect(told[row]).toBeCloseTo(value, 3);
    }
  });

  it('attribute: what PyTorch recorded', async () => {
    const arrays = async (file: string) => readTensors(await openFile(join(root, 'fixtures/digits', file)));
    const recorded = await arrays('expected.npz');
    const of = async (name: string, from = recorded, array = `${name}_float64`) => {
      const tensor = from.get(array);
      if (tensor === undefined) throw new Error(`no ${array}`);
      return toNumbers(await load(tensor));
    };
    const images = await of('atoms', await arrays('digits.npz'), 'atoms');
    const row = 5;
    const [site, told, ...atoms] = example('attribute', String(row));
    expect(site).toBe('site classes: lse, epsilon 0.25, 10 units of 64 atoms');
    const decided = (await of('decided'))[row] ?? Number.NaN;
    expect(told).toContain(`row ${row} is a ${decided}:`);
    expect(Number(/entropy (\S+)/.exec(told ?? '')?.[1])).toBeCloseTo((await of('entropy'))[row] ?? Number.NaN, 3);
    const [atom, weight, left] = [await of('index'), await of('weight'), await of('leave_one_out')];
    expect(atoms).toHaveLength(3);
    atoms.forEach((line, place) => {
      const [image, pi, without] = [...(/image (\d+): weight (\S+), .* by (\S+)/.exec(line) ?? [])]
        .slice(1)
        .map(Number);
      expect(image).toBe(images[decided * 64 + (atom[row * 10 + place] ?? 0)]);
      expect(pi).toBeCloseTo(weight[row * 10 + place] ?? Number.NaN, 3);
      expect(without).toBeCloseTo(left[row * 10 + place] ?? Number.NaN, 3);
    });
  });

  it('inspect: carries a file unchanged but for what was added', async () => {
    const file = join(root, 'fixtures/backend/test_adam.onnx');
    const copy = join(folder, 'copy.onnx');
    const lines = example('inspect', file, copy);
    expect(lines).toContain('unchanged: true');
    expect(lines).toContain('operators ai.onnx.preview.training::Adam 1');
    const [before, after] = [await readModel(await openFile(file)), await readModel(await openFile(copy))];
    const added = after.metadataProps.filter(({ key }) => key === 'inspected');
    expect(added.map(({ value }) => value)).toEqual(['yes']);
    expect(equalMessages(after, before)).toBe(false);
    after.metadataProps = after.metadataProps.filter(({ key }) => key !== 'inspected');
    expect(equalMessages(after, before)).toBe(true);
  });

  it('transformer: every layer says what it is, and the file runs', () => {
    const lines = example('transformer', join(folder, 'transformer.onnx'));
    expect(lines.filter((line) => / attention: exact/.test(line))).toHaveLength(2);
    expect(lines.filter((line) => / residual: structural, H = p\.F\(x\)/.test(line))).toHaveLength(4);
    expect(lines.at(-1)).toBe('logits [1,3,100]');
  });

  it('lse.json: the command in the help of build works as printed', async () => {
    const words = build.example?.split(' ') ?? [];
    expect(words.slice(0, 3)).toEqual(['hopfcole', 'build', 'examples/lse.json']);
    const output = join(folder, 'lse.onnx');
    const at = words.indexOf('-o') + 1;
    const args = words.slice(1).map((word, index) => (index + 1 === at ? output : word));
    execFileSync(process.execPath, ['dist/src/cli/main.js', ...args], { cwd: root });
    const message = await readModel(await openFile(output));
    await assertValid(message);
    expect(message.graph?.output.map(({ name }) => name)).toEqual(['probabilities']);
  });

  it('docs/library.md shows the examples as they are', () => {
    const page = readFileSync(join(root, 'docs/library.md'), 'utf8');
    for (const name of ['build', 'attribute', 'inspect']) {
      const source = readFileSync(join(root, `examples/${name}.ts`), 'utf8');
      const shown = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code ?? '');
      const excerpts = shown.filter((code) => code.startsWith(`// examples/${name}.ts\n`));
      expect(excerpts.length, `an excerpt of ${name}`).toBeGreaterThan(0);
      for (const excerpt of excerpts)
        for (const part of excerpt.split('\n').slice(1).join('\n').split('\n// ...\n'))
          expect(source).toContain(part.trim());
    }
  });
});
