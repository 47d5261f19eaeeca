import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DType } from '../../src/files/dtype.ts';
import { fromNumbers, makeTensor, stringTensor, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { tinyModel } from '../../src/runtime/node/probe.ts';
import type { RunResult } from '../../src/runtime/session.ts';
import { concat, field, numberField } from '../../src/runtime/wire.ts';
import { hasPython, python } from '../support/python.ts';
import { failure, fixture } from './support.ts';

const numbers = (result: RunResult, name: string) => [...toNumbers(get(result, name))];
function get(result: RunResult, name: string): Tensor {
  const tensor = result.outputs.get(name);
  if (tensor === undefined) throw new Error(`no output ${name}`);
  return tensor;
}

/** relu(x w) of fixtures/runtime/affine.onnx, with w[i][j] = (3 i + j - 4) / 8. */
function affine(x: readonly number[]): number[] {
  return Array.from({ length: (x.length / 4) * 3 }, (_, k) => {
    const row = Math.floor(k / 3);
    const sum = [0, 1, 2, 3].reduce((s, i) => s + (x[4 * row + i] ?? 0) * ((3 * i + (k % 3) - 4) / 8), 0);
    return Math.max(sum, 0);
  });
}

const values = [1, -2, 3, 0.5, -1, 0, 2, 4];
const x = fromNumbers('float32', [2, 4], values);

describe.each(['process', 'worker', 'child'] as const)('a session in a %s', (home) => {
  const cpu = { home, provider: 'cpu' } as const;

  it('runs a file and bytes, and tells which provider ran each node', async () => {
    for (const source of [fixture('affine'), new Uint8Array(readFileSync(fixture('affine')))]) {
      const session = await openSession(source, { ...cpu, profile: true });
      expect(session.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['B', 4] }]);
      expect(session.provider).toMatchObject({ requested: 'cpu', name: 'cpu' });
      expect(session.notes).toEqual([]);
      for (let i = 0; i < 3; i++) {
        const result = await session.run({ x });
        expect(get(result, 'y').shape).toEqual([2, 3]);
        expect(numbers(result, 'y')).toEqual(affine(values));
        expect(result.milliseconds).toBeGreaterThan(0);
      }
      expect(session.providers?.nodes).toEqual({ CPUExecutionProvider: 2 });
      expect(session.providers?.placements.map(({ name }) => name)).toEqual(['product', 'positive']);
      await session.close();
      expect((await failure(session.run({ x }))).code).toBe('SESSION_CLOSED');
      await session.close();
    }
  });

  it('passes every element type there and back', async () => {
    const samples: Partial<Record<DType, Tensor>> = { string: stringTensor([2], ['häuser', '']) };
    const floats = [-1.5, 3];
    for (const dtype of ['float32', 'float64', 'float16'] as const) samples[dtype] = fromNumbers(dtype, [2], floats);
    for (const dtype of ['int8', 'int16', 'int32'] as const) samples[dtype] = fromNumbers(dtype, [2], [-7, 100]);
    for (const dtype of ['uint8', 'uint16', 'uint32'] as const) samples[dtype] = fromNumbers(dtype, [2], [200, 0]);
    samples.int64 = fromNumbers('int64', [2], [-(2n ** 63n), 2n ** 53n + 1n]);
    samples.uint64 = fromNumbers('uint64', [2], [2n ** 64n - 1n, 1n]);
    samples.bool = fromNumbers('bool', [2], [1, 0]);
    const session = await openSession(fixture('dtypes'), cpu);
    const result = await session.run(samples as Record<string, Tensor>);
    await session.close();
    expect(session.inputs).toHaveLength(13);
    for (const { name } of session.inputs) {
      const given = samples[name as DType];
      const got = get(result, `twice_${name}`);
      expect([name, got.dtype, got.shape]).toEqual([name, name, [4]]);
      expect([...got.bytes]).toEqual([...(given?.bytes ?? []), ...(given?.bytes ?? [])]);
      expect(got.strings).toEqual(given?.strings === undefined ? undefined : [...given.strings, ...given.strings]);
    }
  });

  it('casts bfloat16 at the boundary, exactly', async () => {
    const session = await openSession(fixture('bfloat16'), cpu);
    expect(session.inputs.map(({ dtype }) => dtype)).toEqual(['bfloat16', 'float32']);
    const bf = fromNumbers('bfloat16', [2, 3], [1, -2.5, 3e38, 0.1, Number.NaN, -Infinity]);
    const result = await session.run({ x: bf, shift: fromNumbers('float32', [], [1]) });
    await session.close();
    const turned = get(result, 'turned');
    expect([turned.dtype, turned.shape]).toEqual(['bfloat16', [3, 2]]);
    const [a, b, c, d, e, f] = [...toNumbers(bf)];
    expect(numbers(result, 'turned')).toEqual([a, d, b, e, c, f]);
    // 0.1 is 0.10009765625 in bfloat16; 1.10009765625 rounds to 1.1015625.
    expect(numbers(result, 'y')).toEqual([2, -1.5, c, 1.1015625, Number.NaN, -Infinity]);
  });

  it('runs bfloat16 arithmetic in float32 where there are no kernels for it, and says so', async () => {
    const session = await openSession(fixture('bfloat16-net'), cpu);
    expect(session.inputs.map(({ dtype }) => dtype)).toEqual(['bfloat16', 'float32', 'float32']);
    expect(session.notes.join()).toMatch(/bfloat16 arithmetic runs as float32/);
    const feeds = {
      x: fromNumbers('bfloat16', [2, 4], values),
      precise: fromNumbers('float32', [2], [1.001, Math.PI]),
    };
    const plain = Array.from({ length: 6 }, (_, k) =>
      [0, 1, 2, 3].reduce((s, i) => s + (values[4 * Math.floor(k / 3) + i] ?? 0) * ((3 * i + (k % 3) - 4) / 8), 1),
    ).map((value) => Math.max(value, 0));
    const yes = await session.run({ ...feeds, flag: fromNumbers('float32', [], [1]) });
    expect([get(yes, 'y').dtype, numbers(yes, 'y')]).toEqual(['bfloat16', plain.map((value) => value + 0.5)]);
    // 1.001 rounds to 1; 3.14159 to 3.140625, whose square 9.863525390625 rounds to 9.875.
    expect(numbers(yes, 'squared')).toEqual([1, 9.875]);
    const no = await session.run({ ...feeds, flag: fromNumbers('float32', [], [0]) });
    expect(numbers(no, 'y').map(Math.abs)).toEqual(plain);
    await session.close();
  });

  it('takes scalars, empty tensors, unknown rank, and views in the middle of a buffer', async () => {
    const session = await openSession(fixture('loose'), cpu);
    const all = new Uint8Array(64).fill(255);
    all.set(fromNumbers('float32', [2], [5, 6]).bytes, 13);
    const feeds = {
      x: makeTensor('float32', [2], all.subarray(13, 21)),
      s: fromNumbers('float32', [], [0.5]),
      u: fromNumbers('int64', [1, 2, 1], [7n, 8n]),
    };
    const result = await session.run(feeds);
    expect(numbers(result, 'y')).toEqual([5.5, 6.5]);
    expect([get(result, 'v').shape, numbers(result, 'v')]).toEqual([
      [1, 2, 1],
      [7, 8],
    ]);
    const empty = fromNumbers('float32', [0], []);
    const none = await session.run({ ...feeds, x: empty, u: fromNumbers('int64', [], [3]) }, { outputs: ['y', 'v'] });
    expect([get(none, 'y').shape, get(none, 'v').shape]).toEqual([[0], []]);
    const shared = new Uint8Array(new SharedArrayBuffer(8));
    shared.set(fromNumbers('float32', [2], [1, 2]).bytes);
    expect(numbers(await session.run({ ...feeds, x: makeTensor('float32', [2], shared) }), 'y')).toEqual([1.5, 2.5]);
    await session.close();
  });

  it('answers many runs at once, each with its own result', async () => {
    const session = await openSession(fixture('affine'), {
      ...cpu,
      threads: 1,
      keepWeightsOnce: true,
      optimization: 'basic',
    });
    const runs = Array.from({ length: 20 }, (_, k) =>
      session.run({ x: fromNumbers('float32', [1, 4], [k, 0, 1, -k]) }),
    );
    const results = await Promise.all(runs);
    expect(results.map((result) => numbers(result, 'y'))).toEqual(results.map((_, k) => affine([k, 0, 1, -k])));
    await session.close();
  });

  it('names what is wrong with the feeds before anything runs', async () => {
    const session = await openSession(fixture('pair'), cpu);
    const ones = (shape: number[]) =>
      fromNumbers('float32', shape, new Array((shape[0] ?? 0) * (shape[1] ?? 1)).fill(1));
    expect((await failure(session.run({ a: ones([2, 3]) }))).line).toContain("missing input 'b' float32[T, B]");
    expect((await failure(session.run({ a: ones([2, 3]), b: ones([4, 2]) }))).code).toBe('SHAPE_MISMATCH');
    expect((await failure(session.run({}, { outputs: ['q'] }))).code).toBe('MISSING_INPUT');
    const result = await session.run({ a: ones([2, 3]), b: ones([3, 2]) }, { outputs: ['scaled'] });
    expect([...result.outputs.keys()]).toEqual(['scaled']);
    expect(numbers(result, 'scaled')).toEqual([9, 9, 9, 9]);
    await session.close();
  });

  it('refuses what it cannot run, with the reason', async () => {
    const newer = concat([tinyModel(), field(8, numberField(2, 27))]);
    const int4 = tinyModel().map((byte, i, all) => (byte === 1 && all[i - 1] === 8 && all[i + 1] === 0x12 ? 22 : byte));
    const cases: [Parameters<typeof openSession>[0], string, string][] = [
      [fixture('nowhere'), 'FILE_NOT_FOUND', 'nowhere.onnx'],
      [new Uint8Array([1, 2, 3]), 'BAD_PROTOBUF', 'byte'],
      [newer, 'MODEL_TOO_NEW', 'opset 27'],
      [fixture('sequence'), 'UNSUPPORTED_DTYPE', 'sequence'],
      [int4, 'UNSUPPORTED_DTYPE', 'int4'],
      [new Uint8Array(0), 'MODEL_REFUSED', 'model'],
    ];
    for (const [source, code, text] of cases) {
      const got = await failure(openSession(source, cpu));
      expect(got).toMatchObject({ code, line: expect.stringContaining(text) });
      expect(got.line).not.toMatch(/onnxruntime_src|\n/);
    }
  });

  it('translates an error of a run, and goes on', async () => {
    const session = await openSession(fixture('pick'), cpu);
    const got = await failure(session.run({ i: fromNumbers('int64', [1], [99]) }));
    expect(got).toMatchObject({
      code: 'RUN_FAILED',
      line: expect.stringMatching(/out of .*node 'rows', operator Gather/),
    });
    expect(got.line).not.toMatch(/onnxruntime_src|\n/);
    expect(numbers(await session.run({ i: fromNumbers('int64', [1], [0]) }), 'y')).toEqual([-0.5, -0.375, -0.25]);
    await session.close();
  });

  it('refuses providers that are unknown or not here', async () => {
    expect((await failure(openSession(fixture('affine'), { home, provider: 'gpu' }))).code).toBe('BAD_PROVIDER');
    const elsewhere = process.platform === 'darwin' ? 'cuda' : 'coreml';
    const got = await failure(openSession(fixture('affine'), { home, provider: elsewhere }));
    expect(got).toMatchObject({ code: 'PROVIDER_UNAVAILABLE', line: expect.stringContaining('It needs') });
  });
});

describe('auto', () => {
  it('chooses a provider that works, and says which and why', async () => {
    const session = await openSession(fixture('affine'), { home: 'child' });
    expect(session.provider.requested).toBe('auto');
    expect(['cpu', 'webgpu', 'cuda']).toContain(session.provider.name);
    expect(session.provider.why).not.toBe('');
    const got = numbers(await session.run({ x }), 'y');
    affine(values).forEach((value, i) => {
      expect(got[i]).toBeCloseTo(value, 5);
    });
    await session.close();
  });
});

describe('limits', () => {
  it('are refused where a run cannot be stopped', async () => {
    const signal = new AbortController().signal;
    for (const home of ['process', 'worker'] as const) {
      expect((await failure(openSession(fixture('affine'), { home, provider: 'cpu', timeoutMs: 5 }))).code).toBe(
        'CANNOT_STOP',
      );
      const session = await openSession(fixture('affine'), { home, provider: 'cpu' });
      expect((await failure(session.run({ x }, { signal }))).code).toBe('CANNOT_STOP');
      await session.close();
    }
  });
});

describe.skipIf(!hasPython)('against onnxruntime of Python', () => {
  it('gives the same numbers', async () => {
    const data = Array.from({ length: 400 }, (_, i) => Math.fround(Math.sin(i * i)));
    const program = `
import json, sys, numpy as np, onnxruntime as rt
x = np.array(json.load(sys.stdin), np.float32).reshape(100, 4)
print(json.dumps([rt.InferenceSession(p, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0].ravel().tolist() for p in sys.argv[1:]]))`;
    const models = [fixture('affine'), fixture('shapes'), fixture('external')];
    const expected = JSON.parse(python(program, models, JSON.stringify(data))) as number[][];
    for (const [i, model] of models.entries()) {
      const session = await openSession(model, { provider: 'cpu' });
      const got = numbers(await session.run({ x: fromNumbers('float32', [100, 4], data) }), 'y');
      const worst = Math.max(...got.map((value, k) => Math.abs(value - (expected[i]?.[k] ?? Number.NaN))));
      expect(worst).toBeLessThan(1e-6);
      await session.close();
    }
  });
});
