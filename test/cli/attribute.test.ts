import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { attribute } from '../../src/cli/commands/attribute.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { run } from '../../src/cli/commands/run.ts';
import { readArrays, writeOutputs } from '../../src/cli/tensor-files.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { perform } from '../support/command.ts';

type DType = 'float16' | 'float32' | 'float64';

/** A network of one LSE layer, its weights and inputs, all rounded to its element type. */
interface Net {
  readonly dtype: DType;
  readonly units?: number;
  readonly atoms: number;
  readonly dim: number;
  readonly epsilon: number;
  readonly batch: number;
  /** Multiplies weights and biases: logits this far apart make pi round to 1. */
  readonly scale?: number;
}

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-attribute-'));

/** Numbers that look normal, the same in every run. */
function numbers(count: number, seed: number, scale = 1): Float64Array {
  let state = seed * 2654435761 + 12345;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
  return Float64Array.from({ length: count }, () => (next() + next() + next() + next() - 2) * Math.sqrt(3) * scale);
}

interface Made {
  readonly model: string;
  readonly input: string;
  readonly W: Float64Array;
  readonly b: Float64Array;
  readonly x: Float64Array;
}

async function imported(name: string, net: Net, weight: Tensor, bias: Tensor): Promise<string> {
  const paths = {
    file: join(folder, `${name}.npz`),
    spec: join(folder, `${name}.json`),
    output: join(folder, `${name}.onnx`),
  };
  await writeOutputs(
    paths.file,
    new Map([
      ['lse.weight', weight],
      ['lse.bias', bias],
    ]),
  );
  const units = net.units === undefined ? {} : { units: net.units };
  const layer = { kind: 'lse', name: 'lse', dim: net.dim, atoms: weight.shape.at(-2), ...units, epsilon: net.epsilon };
  const inputs = [{ name: 'x', dtype: net.dtype, shape: ['batch', net.dim] }];
  writeFileSync(paths.spec, JSON.stringify({ name, inputs, output: 'f', layers: [layer] }));
  await perform(importWeights, paths);
  return paths.output;
}

const lead = ({ units }: Net) => (units === undefined ? [] : [units]);

async function make(name: string, net: Net): Promise<Made> {
  const { dtype, atoms, dim, batch, scale = 1 } = net;
  const heads = net.units ?? 1;
  const weight = fromNumbers(
    dtype,
    [...lead(net), atoms, dim],
    numbers(heads * atoms * dim, 1, scale / Math.sqrt(dim)),
  );
  const bias = fromNumbers(dtype, [...lead(net), atoms], numbers(heads * atoms, 2, 0.3 * scale));
  const x = fromNumbers(dtype, [batch, dim], numbers(batch * dim, 3));
  const input = join(folder, `${name}.input.npz`);
  await writeOutputs(input, new Map([['x', x]]));
  const model = await imported(name, net, weight, bias);
  return { model, input, W: toNumbers(weight), b: toNumbers(bias), x: toNumbers(x) };
}

/** In float64: f, pi, entropy, co-state and f without each atom, of one query of one unit. */
function reference({ atoms, dim, epsilon }: Net, { W, b, x }: Made, row: number, unit: number) {
  const z = Float64Array.from({ length: atoms }, (_, j) => {
    let sum = b[unit * atoms + j] ?? 0;
    for (let i = 0; i < dim; i++) sum += (W[(unit * atoms + j) * dim + i] ?? 0) * (x[row * dim + i] ?? 0);
    return sum;
  });
  const lse = (skip = -1): number => {
    let top = -Infinity;
    for (let j = 0; j < atoms; j++) if (j !== skip) top = Math.max(top, z[j] ?? 0);
    let sum = 0;
    for (let j = 0; j < atoms; j++) if (j !== skip) sum += Math.exp(((z[j] ?? 0) - top) / epsilon);
    return top + epsilon * Math.log(sum);
  };
  const f = lse();
  const pi = z.map((value) => Math.exp((value - f) / epsilon));
  const entropy = pi.reduce((sum, p, j) => sum - (p === 0 ? 0 : (p * ((z[j] ?? 0) - f)) / epsilon), 0);
  const costate = Float64Array.from({ length: dim }, (_, i) =>
    pi.reduce((sum, p, j) => sum + p * (W[(unit * atoms + j) * dim + i] ?? 0), 0),
  );
  const size = z.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { f, pi, entropy, costate, lse, size: Math.max(size, epsilon * Math.log(atoms), 1e-30) };
}

interface Told {
  readonly site: string;
  readonly kind: string;
  readonly epsilon: number;
  readonly f: unknown;
  readonly entropy: unknown;
  readonly effectiveAtoms: unknown;
  readonly costate: unknown;
  readonly atoms: { readonly index: unknown; readonly weight: unknown; readonly leaveOneOut: unknown };
}

const flat = (value: unknown): number[] => (Array.isArray(value) ? value.flat(9) : [value as number]);

async function told(model: string, input: string, args: Record<string, unknown> = {}): Promise<Told> {
  return (await perform(attribute, { model, input, ep: 'cpu', ...args })).json as unknown as Told;
}

async function outputOf(model: string, input: string, name = 'f'): Promise<Float64Array> {
  const output = join(folder, 'run.npz');
  await perform(run, { model, input, output, ep: 'cpu' });
  const found = (await readArrays(output)).get(name);
  if (found === undefined) throw new Error(`no output ${name}`);
  return toNumbers(found);
}

const tolerance: Record<DType, number> = { float16: 3e-3, float32: 1e-5, float64: 1e-12 };

const nets: Record<string, Net> = {
  single: { dtype: 'float32', atoms: 40, dim: 6, epsilon: 0.3, batch: 5 },
  bank: { dtype: 'float32', units: 4, atoms: 17, dim: 8, epsilon: 0.5, batch: 3 },
  'one atom': { dtype: 'float32', atoms: 1, dim: 3, epsilon: 1, batch: 2 },
  'a bank of one atom each': { dtype: 'float32', units: 2, atoms: 1, dim: 3, epsilon: 1, batch: 2 },
  'far logits, where pi rounds to 1': { dtype: 'float32', atoms: 12, dim: 6, epsilon: 0.01, batch: 6, scale: 8 },
  'a cold bank': { dtype: 'float32', units: 3, atoms: 30, dim: 6, epsilon: 1e-3, batch: 4 },
  'a warm unit': { dtype: 'float32', atoms: 30, dim: 6, epsilon: 1e4, batch: 4 },
  float64: { dtype: 'float64', atoms: 25, dim: 7, epsilon: 0.2, batch: 4 },
  'a float64 bank': { dtype: 'float64', units: 3, atoms: 25, dim: 7, epsilon: 0.02, batch: 4 },
  float16: { dtype: 'float16', atoms: 25, dim: 7, epsilon: 0.5, batch: 4 },
};

describe.each(Object.entries(nets))('attribute: %s', (name, net) => {
  it('gives f, pi, entropy, co-state and leave-one-out as float64 does', async () => {
    const made = await make(name, net);
    const { atoms, dim, batch, epsilon, dtype } = net;
    const heads = net.units ?? 1;
    const all = await told(made.model, made.input, { top: 'all' });
    expect(all).toMatchObject({ kind: 'lse', site: 'lse', epsilon: Math.fround(epsilon) });
    const [f, entropy, costate] = [flat(all.f), flat(all.entropy), flat(all.costate)];
    const { index, weight, leaveOneOut } = all.atoms;
    const [indices, weights, left] = [flat(index), flat(weight), flat(leaveOneOut)];
    expect([f.length, costate.length, weights.length]).toEqual([
      batch * heads,
      batch * heads * dim,
      batch * heads * atoms,
    ]);
    const close = tolerance[dtype];
    for (let at = 0; at < batch * heads; at++) {
      const right = reference({ ...net, epsilon: Math.fround(epsilon) }, made, Math.floor(at / heads), at % heads);
      const error = (got: number | undefined, want: number) => Math.abs((got ?? Number.NaN) - want);
      expect(error(f[at], right.f) / right.size).toBeLessThan(close);
      // What rounding of the logits does to exp(z / eps).
      const ripple = close + (close * right.size * 0.1) / epsilon;
      const row = (values: readonly number[]) => values.slice(at * atoms, (at + 1) * atoms);
      expect(row(weights).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, dtype === 'float16' ? 2 : 5);
      expect([...row(indices)].sort((a, b) => a - b)).toEqual(Array.from({ length: atoms }, (_, j) => j));
      expect(error(entropy[at], right.entropy)).toBeLessThan(10 * ripple);
      for (let i = 0; i < dim; i++)
        expect(error(costate[at * dim + i], right.costate[i] ?? 0)).toBeLessThan(10 * ripple * (net.scale ?? 1));
      row(indices).forEach((j, k) => {
        expect(error(row(weights)[k], right.pi[j] ?? 0)).toBeLessThan(4 * ripple);
        const got = row(left)[k] as unknown;
        expect(got).toBeLessThanOrEqual(0);
        if (atoms === 1) expect(got).toBe(-Infinity);
        else expect(error(right.f + Number(got), right.lse(j)) / right.size).toBeLessThan(close);
      });
    }
  });

  it('agrees with runs of the model, whole and with atoms taken out', async () => {
    const made = await make(name, net);
    const { atoms, dim, batch, dtype } = net;
    const heads = net.units ?? 1;
    const [{ f: given, atoms: kept }, whole] = [
      await told(made.model, made.input, { top: 1 }),
      await outputOf(made.model, made.input),
    ];
    const f = flat(given);
    const size = Math.max(...whole.map(Math.abs), 1e-30);
    for (const [i, value] of f.entries())
      expect(Math.abs(value - (whole[i] ?? Number.NaN)) / size).toBeLessThan(tolerance[dtype]);
    if (atoms === 1) return;
    const top = flat(kept.index);
    const leave = flat(kept.leaveOneOut);
    // The heaviest atom of the first query and of the last, gone from the file: its row in a single unit, its bias -inf in a bank.
    for (const at of [0, batch * heads - 1]) {
      const j = top[at] ?? 0;
      const unit = at % heads;
      const without =
        net.units === undefined
          ? await imported(
              'without',
              net,
              fromNumbers(
                dtype,
                [atoms - 1, dim],
                made.W.filter((_, i) => Math.floor(i / dim) !== j),
              ),
              fromNumbers(
                dtype,
                [atoms - 1],
                made.b.filter((_, i) => i !== j),
              ),
            )
          : await imported(
              'without',
              net,
              fromNumbers(dtype, [heads, atoms, dim], made.W),
              fromNumbers(
                dtype,
                [heads, atoms],
                made.b.map((v, i) => (i === unit * atoms + j ? -Infinity : v)),
              ),
            );
      const rest = await outputOf(without, made.input);
      expect(Math.abs((f[at] ?? 0) + (leave[at] ?? 0) - (rest[at] ?? Number.NaN)) / size).toBeLessThan(
        tolerance[dtype],
      );
    }
  });
});

describe('attribute', () => {
  it('goes over 200,000 atoms, which are blocked', async () => {
    const net: Net = { dtype: 'float32', atoms: 200_000, dim: 8, epsilon: 0.1, batch: 3 };
    const made = await make('large', net);
    const { f, atoms, entropy, effectiveAtoms } = await told(made.model, made.input, { top: 7 });
    const whole = await outputOf(made.model, made.input);
    const [indices, weights, left] = [flat(atoms.index), flat(atoms.weight), flat(atoms.leaveOneOut)];
    expect(indices).toHaveLength(21);
    for (let row = 0; row < 3; row++) {
      const right = reference({ ...net, epsilon: Math.fround(0.1) }, made, row, 0);
      expect(Math.abs((flat(f)[row] ?? 0) - right.f) / right.size).toBeLessThan(1e-5);
      expect(Math.abs((whole[row] ?? 0) - right.f) / right.size).toBeLessThan(1e-5);
      expect(flat(entropy)[row]).toBeCloseTo(right.entropy, 3);
      expect(flat(effectiveAtoms)[row]).toBeCloseTo(Math.exp(flat(entropy)[row] ?? 0), 6);
      const heaviest = [...right.pi].sort((a, b) => b - a).slice(0, 7);
      for (let k = 0; k < 7; k++) {
        const at = row * 7 + k;
        expect(weights[at]).toBeCloseTo(heaviest[k] ?? 0, 5);
        expect(weights[at]).toBeCloseTo(right.pi[indices[at] ?? 0] ?? 0, 5);
        expect((right.f + (left[at] ?? 0) - right.lse(indices[at])) / right.size).toBeCloseTo(0, 5);
      }
    }
  });

  it('takes another temperature at the same weights', async () => {
    const net = nets.single as Net;
    const made = await make('sweep', net);
    for (const epsilon of [1e-3, 0.05, 2, 100]) {
      const { epsilon: said, f, entropy } = await told(made.model, made.input, { epsilon });
      const right = reference({ ...net, epsilon: Math.fround(epsilon) }, made, 0, 0);
      expect(said).toBe(Math.fround(epsilon));
      expect(Math.abs((flat(f)[0] ?? 0) - right.f) / right.size).toBeLessThan(1e-5);
      expect(flat(entropy)[0]).toBeCloseTo(right.entropy, 3);
    }
  });

  it.each([0, -1, Number.NaN, Infinity, 1e-60, 1e60])('refuses epsilon %s', async (epsilon) => {
    const made = await make('bad-epsilon', nets.single as Net);
    const code = expect.stringMatching(/^BAD_(USAGE|EPSILON)$/);
    await expect(told(made.model, made.input, { epsilon })).rejects.toMatchObject({ code });
  });

  it('runs and attributes an empty batch', async () => {
    const made = await make('empty', { dtype: 'float32', units: 2, atoms: 5, dim: 3, epsilon: 1, batch: 0 });
    expect(await outputOf(made.model, made.input)).toHaveLength(0);
    expect((await told(made.model, made.input)).f).toEqual([]);
  });

  it('names the site asked for, and says which there are', async () => {
    const spec = join(folder, 'two.json');
    const layers = [
      { kind: 'lse', name: 'first', dim: 4, atoms: 6, units: 5, epsilon: 0.5 },
      { kind: 'lse', name: 'second', dim: 5, atoms: 7, units: 3, epsilon: 0.25 },
      { kind: 'softmax', name: 'head', epsilon: 2 },
    ];
    writeFileSync(
      spec,
      JSON.stringify({
        name: 'two',
        inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 4] }],
        output: 'p',
        layers,
      }),
    );
    const { build } = await import('../../src/cli/commands/build.ts');
    const model = join(folder, 'two.onnx');
    await perform(build, { spec, output: model });
    const input = join(folder, 'two.npz');
    await writeOutputs(input, new Map([['x', fromNumbers('float32', [3, 4], numbers(12, 9))]]));
    const p = await outputOf(model, input, 'p');
    const head = await told(model, input, { top: 'all' });
    expect(head).toMatchObject({ site: 'head', kind: 'softmax-head', epsilon: 2 });
    // pi of the head is the network's output, class by class.
    const [indices, weights] = [flat(head.atoms.index), flat(head.atoms.weight)];
    for (const [at, pi] of weights.entries())
      expect(pi).toBeCloseTo(p[Math.floor(at / 3) * 3 + (indices[at] ?? 0)] ?? Number.NaN, 5);
    const first = await told(model, input, { site: 'first', top: 'all' });
    expect(first).toMatchObject({ site: 'first', kind: 'lse', epsilon: 0.5 });
    expect(flat(first.atoms.weight)).toHaveLength(3 * 5 * 6);
    const second = await told(model, input, { site: 'second', top: 2 });
    expect(flat(second.atoms.weight)).toHaveLength(3 * 3 * 2);
    await expect(told(model, input, { site: 'third' })).rejects.toMatchObject({
      code: 'UNKNOWN_SITE',
      hint: 'Sites: first, second, head',
    });
    await expect(told(model, input, { top: '0' })).rejects.toMatchObject({ code: 'BAD_USAGE' });
  });

  it('writes the arrays the contract names', async () => {
    const made = await make('arrays', nets.bank as Net);
    const output = join(folder, 'attribution.npz');
    const json = await told(made.model, made.input, { output, top: 4 });
    const arrays = await readArrays(output);
    expect(Object.fromEntries([...arrays].map(([key, { shape }]) => [key, shape]))).toEqual({
      f: [3, 4],
      entropy: [3, 4],
      effective_atoms: [3, 4],
      costate: [3, 4, 8],
      index: [3, 4, 4],
      weight: [3, 4, 4],
      leave_one_out: [3, 4, 4],
    });
    for (const [key, value] of [
      ['f', json.f],
      ['weight', json.atoms.weight],
      ['index', json.atoms.index],
      ['leave_one_out', json.atoms.leaveOneOut],
    ] as const)
      expect([...toNumbers(arrays.get(key) as Tensor)]).toEqual(flat(value));
  });
});
