import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Long from 'long';
import onnxProto from 'onnx-proto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../../src/cli/command.ts';
import { attribute } from '../../src/cli/commands/attribute.ts';
import { build } from '../../src/cli/commands/build.ts';
import { check } from '../../src/cli/commands/check.ts';
import { exportModel } from '../../src/cli/commands/export.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { inspect } from '../../src/cli/commands/inspect.ts';
import { run } from '../../src/cli/commands/run.ts';
import { asHopfcoleError, toJson } from '../../src/cli/output.ts';
import { relativeError } from '../../src/cli/relative-error.ts';
import { readArrays, writeOutputs } from '../../src/cli/tensor-files.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { perform } from '../support/command.ts';
import { hasPython, python } from '../support/python.ts';
import { root } from './process.ts';

const fixture = (name: string) => join(root, 'fixtures', name);
const temporary = () => mkdtempSync(join(tmpdir(), 'hopfcole-commands-'));
const affine = fixture('runtime/affine.onnx');
const digits = fixture('digits/digits_lse.onnx');
const images = fixture('digits/test.npz');
const folder = temporary();
const x = fromNumbers('float32', [2, 4], [1, -2, 3, 0.5, -1, 0, 2, 4]);

/** Reads relu(x w) by hand: w[i][j] = (3 i + j - 4) / 8. */
function affineOf(values: Float64Array): number[] {
  return Array.from({ length: (values.length / 4) * 3 }, (_, k) => {
    const at = 4 * Math.floor(k / 3);
    return Math.max(
      0,
      [0, 1, 2, 3].reduce((sum, i) => sum + (values[at + i] ?? 0) * ((3 * i + (k % 3) - 4) / 8), 0),
    );
  });
}

async function error(command: Command, args: Record<string, unknown>): Promise<{ code: string; line: string }> {
  const thrown: unknown = await perform(command, args).then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  const { code, ...rest } = asHopfcoleError(thrown);
  const line = asHopfcoleError(thrown).line();
  expect([code, line.includes('\n'), rest.hint === undefined]).toEqual([code, false, false]);
  expect(code).not.toBe('INTERNAL');
  return { code, line };
}

describe('inputs and outputs of run', () => {
  const inputs: Record<string, (path: string) => Promise<void> | void> = {
    'x.npz': (path) =>
      writeOutputs(
        path,
        new Map([
          ['x', x],
          ['unused', x],
        ]),
      ),
    'x.safetensors': (path) => writeOutputs(path, new Map([['x', x]])),
    'x.npy': (path) => writeOutputs(path, new Map([['x', x]])),
    'x.csv': (path) => writeOutputs(path, new Map([['x', x]])),
    'x.parquet': (path) => writeOutputs(path, new Map([['x', x]])),
    'with names.csv': (path) => writeFileSync(path, 'a,b,c,d\n1,-2,3,0.5\n-1,0,2,4\n'),
  };
  it.each(Object.entries(inputs))('come as %s', async (name, write) => {
    const input = join(folder, name);
    await write(input);
    const output = join(folder, 'y.npz');
    const { json } = await perform(run, { model: affine, input, output, ep: 'cpu' });
    expect(json).toMatchObject({
      output,
      outputs: [{ name: 'y', dtype: 'float32', shape: [2, 3] }],
      ep: { requested: 'cpu', nodes: { CPUExecutionProvider: 2 } },
    });
    expect([...toNumbers((await readArrays(output)).get('y') as Tensor)]).toEqual(affineOf(toNumbers(x)));
  });

  it.each(['npz', 'npy', 'safetensors', 'csv', 'parquet'])('go as .%s', async (ending) => {
    const input = join(folder, 'in.npz');
    await writeOutputs(input, new Map([['x', x]]));
    const output = join(folder, `y.${ending}`);
    await perform(run, { model: affine, input, output, ep: 'cpu' });
    const [[name, tensor] = ['none', x]] = await readArrays(output);
    expect(['y', '']).toContain(name);
    expect([...toNumbers(tensor)]).toEqual(affineOf(toNumbers(x)));
  });

  it.skipIf(!hasPython)('are what numpy and safetensors read', () => {
    const program = `
import sys, json, numpy as np, safetensors.numpy as st
f = sys.argv[1]
print(json.dumps([np.load(f + '/y.npz')['y'].tolist(), np.load(f + '/y.npy').tolist(), st.load_file(f + '/y.safetensors')['y'].tolist(),
  np.genfromtxt(f + '/y.csv', delimiter=',').tolist()]))`;
    const read: number[][][] = JSON.parse(python(program, [folder]));
    for (const rows of read) expect(rows.slice(-2).flat()).toEqual(affineOf(toNumbers(x)));
  });

  it('are timed with --repeat', async () => {
    const { json } = await perform(run, {
      model: affine,
      input: join(folder, 'in.npz'),
      output: join(folder, 'y.npz'),
      ep: 'cpu',
      repeat: 7,
    });
    const { runs, min, median, max } = json.repeat as { runs: number; min: number; median: number; max: number };
    expect([runs, min <= median, median <= max, json.milliseconds]).toEqual([7, true, true, median]);
  });

  it('that are missing are listed with what they should be', async () => {
    const input = join(folder, 'none.npz');
    await writeOutputs(input, new Map([['a', x]]));
    const told = await error(run, {
      model: fixture('runtime/pair.onnx'),
      input,
      output: join(folder, 'z.npz'),
      ep: 'cpu',
    });
    expect(told.code).toBe('MISSING_INPUT');
    expect(told.line).toMatch(/missing b float32\[T, B\].*The file has a/);
  });

  it('of several outputs go into a file of several arrays only', async () => {
    const input = join(folder, 'pair.npz');
    await writeOutputs(
      input,
      new Map([
        ['a', x],
        ['b', fromNumbers('float32', [4, 2], toNumbers(x))],
      ]),
    );
    const args = { model: fixture('runtime/pair.onnx'), input, ep: 'cpu' };
    expect((await error(run, { ...args, output: join(folder, 'two.csv') })).code).toBe('BAD_COUNT');
    expect(readdirSync(folder)).not.toContain('two.csv');
    const { json } = await perform(run, { ...args, output: join(folder, 'two.npz') });
    expect(json.outputs).toMatchObject([{ name: 'product' }, { name: 'scaled' }]);
  });
});

describe('files that are not what they should be', () => {
  const commands: [string, Command, (file: string) => Record<string, unknown>][] = [
    ['inspect', inspect, (file) => ({ file })],
    ['check', check, (file) => ({ file })],
    ['build', build, (spec) => ({ spec, output: join(folder, 'no.onnx') })],
    [
      'import',
      importWeights,
      (file) => ({ file, spec: fixture('digits/digits_lse.json'), output: join(folder, 'no.onnx') }),
    ],
    ['run', run, (model) => ({ model, input: images, output: join(folder, 'no.npz'), ep: 'cpu' })],
    ['run --input', run, (input) => ({ model: digits, input, output: join(folder, 'no.npz'), ep: 'cpu' })],
    ['attribute', attribute, (model) => ({ model, input: images, ep: 'cpu' })],
    ['export', exportModel, (model) => ({ model, output: join(folder, 'no.onnx') })],
  ];
  const empty = join(folder, 'empty');
  const noise = join(folder, 'noise');
  const secret = join(folder, 'secret');
  beforeAll(() => {
    writeFileSync(empty, '');
    writeFileSync(
      noise,
      Uint8Array.from({ length: 3000 }, (_, i) => (i * i * 31 + i) & 255),
    );
    writeFileSync(secret, 'x');
    chmodSync(secret, 0);
  });

  it.each(commands)('%s says what they are', async (_name, command, args) => {
    for (const path of [
      folder,
      empty,
      noise,
      join(folder, 'not there'),
      `${empty}/under`,
      '/dev/null',
      '',
      'x'.repeat(5000),
      'nul\0.onnx',
      join(folder, 'näh wo\nist\u001b[2Jdas ✗'),
    ]) {
      const { line } = await error(command, args(path));
      expect(line).toMatch(/^[^\p{Cc}]+$/u);
    }
    expect((await error(command, args(folder))).code).toBe('NOT_A_FILE');
    expect((await error(command, args(join(folder, 'not there')))).code).toBe('FILE_NOT_FOUND');
    expect(readdirSync(folder).filter((name) => name.startsWith('no.'))).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)('among them files that may not be read', async () => {
    expect((await error(inspect, { file: secret })).code).toBe('NO_PERMISSION');
  });

  it('have any name', async () => {
    for (const name of [
      'with spaces.onnx',
      'häuser ✓.onnx',
      'quo\'te".onnx',
      'new\nline.onnx',
      '-dash.onnx',
      'no-ending',
    ]) {
      const path = join(folder, name);
      writeFileSync(path, readFileSync(affine));
      expect((await perform(check, { file: path })).json.problems).toEqual([]);
      const output = join(folder, `${name}.out.npz`);
      await perform(run, { model: path, input: join(folder, 'in.npz'), output, ep: 'cpu' });
      expect([...toNumbers((await readArrays(output)).get('y') as Tensor)]).toEqual(affineOf(toNumbers(x)));
    }
  });
});

describe('functions', () => {
  it('that a runtime would inline until memory ends are refused before it begins', async () => {
    const call = (opType: string, input: string, output: string) => ({
      opType,
      domain: opType === 'Relu' ? '' : 'd',
      input: [input],
      output: [output],
    });
    const opsetImport = ['', 'd'].map((domain) => ({ domain, version: Long.fromNumber(domain === '' ? 18 : 1) }));
    const tensor = (name: string) => ({
      name,
      type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'n' }] } } },
    });
    const next = (level: number) => (level === 60 ? 'Relu' : `F${level}`);
    const functions = Array.from({ length: 60 }, (_, level) => ({
      name: `F${level}`,
      domain: 'd',
      input: ['a'],
      output: ['c'],
      node: [call(next(level + 1), 'a', 'b'), call(next(level + 1), 'b', 'c')],
      opsetImport,
    }));
    const graph = { name: 'g', node: [call('F0', 'x', 'y')], input: [tensor('x')], output: [tensor('y')] };
    const model = join(folder, 'doubling.onnx');
    writeFileSync(model, encodeModel({ irVersion: Long.fromNumber(8), opsetImport, graph, functions }));
    const output = join(folder, 'doubling.npz');
    const input = join(folder, 'doubling.npy');
    await writeOutputs(input, new Map([['x', fromNumbers('float32', [2], [1, -1])]]));
    expect((await error(run, { model, input, output, ep: 'cpu' })).code).toBe('INLINE_TOO_LARGE');
    expect(existsSync(output)).toBe(false);
  });
});

describe('outputs', () => {
  it('are refused where the folder does not exist, or is in the way', async () => {
    const lost = join(folder, 'no', 'such', 'folder');
    const inTheWay = join(folder, 'folder.npz');
    mkdirSync(inTheWay, { recursive: true });
    const input = join(folder, 'in.npz');
    await writeOutputs(input, new Map([['x', x]]));
    expect((await error(run, { model: affine, input, output: join(lost, 'y.npz'), ep: 'cpu' })).code).toBe(
      'FOLDER_NOT_FOUND',
    );
    expect((await error(run, { model: affine, input, output: inTheWay, ep: 'cpu' })).code).toBe('NOT_A_FILE');
    expect((await error(build, { spec: join(root, 'examples/lse.json'), output: join(lost, 'm.onnx') })).code).toBe(
      'FOLDER_NOT_FOUND',
    );
  });

  it('of a run that fails are not there, and what was there stays', async () => {
    const place = temporary();
    const output = join(place, 'kept.onnx');
    writeFileSync(output, 'before');
    const wrong = join(folder, 'wrong.npz');
    await writeOutputs(wrong, new Map([['x', fromNumbers('float32', [1, 5], [1, 2, 3, 4, 5])]]));
    for (const [command, args] of [
      [build, { spec: wrong, output }],
      [importWeights, { file: fixture('digits/digits_lse.pt'), spec: join(root, 'test/cli/lse.json'), output }],
      [exportModel, { model: digits, output, opset: 7 }],
      [exportModel, { model: digits, output, opset: 9999 }],
      [run, { model: affine, input: wrong, output: join(place, 'y.npz'), ep: 'cpu' }],
      [run, { model: affine, input: wrong, output: join(place, 'y.npz'), ep: 'cpu', repeat: 0 }],
      [attribute, { model: digits, input: wrong, output: join(place, 'a.npz'), ep: 'cpu' }],
    ] as const)
      await error(command, args);
    expect([readdirSync(place), readFileSync(output, 'utf8')]).toEqual([['kept.onnx'], 'before']);
  });

  it('replace what was there once they are whole', async () => {
    const output = join(temporary(), 'm.onnx');
    writeFileSync(output, 'before');
    await perform(build, { spec: join(root, 'examples/lse.json'), output });
    expect((await perform(check, { file: output })).json.problems).toEqual([]);
  });

  it('are the same bytes for the same seed, others for another', async () => {
    const paths = [join(folder, 's0.onnx'), join(folder, 's1.onnx'), join(folder, 's2.onnx')];
    for (const [i, output] of paths.entries())
      await perform(build, { spec: join(root, 'examples/lse.json'), output, seed: i === 2 ? 5 : 4 });
    const [a, b, c] = paths.map((path) => readFileSync(path));
    expect([a?.equals(b ?? Buffer.alloc(0)), a?.equals(c ?? Buffer.alloc(0))]).toEqual([true, false]);
  });
});

describe('models for others', () => {
  const targets: Record<string, Record<string, unknown>> = {
    plain: {},
    'opset 17, inlined': { opset: 17, inline: true },
    'opset 18': { opset: 18 },
    'opset 24': { opset: 24 },
    'IR 11': { ir: 11 },
    inlined: { inline: true },
    'external data': { 'external-data': true },
    'all of them': { inline: true, 'external-data': true, opset: 20, ir: 9 },
  };
  const place = temporary();
  const pathOf = (name: string) => join(place, `${name.replaceAll(/\W+/g, '-')}.onnx`);

  it.each(Object.entries(targets))('%s: the same numbers, and as asked', async (name, flags) => {
    const output = pathOf(name);
    const { json } = await perform(exportModel, { model: digits, output, to: 'onnx', ...flags });
    expect((json.files as string[])[0]).toBe(output);
    expect((json.files as string[]).length).toBe(flags['external-data'] === true ? 2 : 1);
    const described = (await perform(inspect, { file: output })).json;
    expect(described).toMatchObject({ problems: [], opsets: { 'ai.onnx': flags.opset ?? 21 } });
    expect((described.functions as string[]).length === 0).toBe(flags.inline === true);
    if (flags.ir !== undefined) expect(described.irVersion).toBe(flags.ir);
    expect((await perform(check, { file: output })).json.problems).toEqual([]);
    const [f, g] = [join(place, 'f.npz'), join(place, 'g.npz')];
    await perform(run, { model: output, input: images, output: f, ep: 'cpu' });
    await perform(run, { model: digits, input: images, output: g, ep: 'cpu' });
    const [a, b] = [(await readArrays(f)).get('f'), (await readArrays(g)).get('f')];
    expect(relativeError(b as Tensor, a as Tensor)).toBeLessThan(1e-6);
  });

  it.skipIf(!hasPython)('pass the checker and run in Python', () => {
    const program = `
import sys, json, onnx, numpy as np, onnxruntime as ort
x = dict(np.load(sys.argv[1])); expected = np.load(sys.argv[2])['f_float64']
for path in sys.argv[3:]:
    onnx.checker.check_model(path, full_check=True)
    f = ort.InferenceSession(path, providers=['CPUExecutionProvider']).run(['f'], {'x': x['x']})[0]
    assert np.abs(f - expected).max() <= 1e-5 * np.abs(expected).max(), path
print('good')`;
    const paths = Object.keys(targets).map(pathOf);
    expect(python(program, [images, fixture('digits/expected.npz'), ...paths])).toBe('good\n');
  });

  it('stand alone where external data are not asked for', async () => {
    const apart = join(temporary(), 'apart.onnx');
    await perform(exportModel, { model: digits, output: apart, 'external-data': true });
    const alone = join(temporary(), 'alone.onnx');
    const { json } = await perform(exportModel, { model: apart, output: alone });
    expect(json.files).toEqual([alone]);
    expect((await perform(check, { file: alone })).json.problems).toEqual([]);
    const output = join(place, 'alone.npz');
    await perform(run, { model: alone, input: images, output, ep: 'cpu' });
    await perform(run, { model: digits, input: images, output: join(place, 'digits.npz'), ep: 'cpu' });
    expect(await readArrays(output)).toEqual(await readArrays(join(place, 'digits.npz')));
  });

  it('are read by onnx-proto', () => {
    for (const name of Object.keys(targets)) {
      const model = onnxProto.onnx.ModelProto.decode(readFileSync(pathOf(name)));
      expect(model.graph?.output?.map((value) => value.name)).toEqual(['f']);
    }
  });
});

describe('check with expected outputs', () => {
  it('passes, fails and says by how much', async () => {
    const input = join(folder, 'in.npz');
    await writeOutputs(input, new Map([['x', x]]));
    const right = join(folder, 'right.npz');
    await writeOutputs(right, new Map([['y', fromNumbers('float32', [2, 3], affineOf(toNumbers(x)))]]));
    const good = await perform(check, { file: affine, expected: right, input, ep: 'cpu' });
    expect([good.passed, good.json.outputs]).toEqual([true, [{ name: 'y', error: 0, tolerance: 1e-4, ok: true }]]);
    const wrong = join(folder, 'off.npz');
    await writeOutputs(
      wrong,
      new Map([
        [
          'y',
          fromNumbers(
            'float32',
            [2, 3],
            affineOf(toNumbers(x)).map((v) => v * 1.01),
          ),
        ],
      ]),
    );
    const bad = await perform(check, { file: affine, expected: wrong, input, ep: 'cpu' });
    expect([bad.passed, bad.json.outputs]).toMatchObject([false, [{ name: 'y', ok: false }]]);
    expect((await perform(check, { file: affine, expected: wrong, input, ep: 'cpu', tolerance: 0.1 })).passed).toBe(
      true,
    );
    const shape = join(folder, 'shape.npz');
    await writeOutputs(shape, new Map([['y', fromNumbers('float32', [3, 2], affineOf(toNumbers(x)))]]));
    const other = await perform(check, { file: affine, expected: shape, input, ep: 'cpu' });
    expect([other.passed, toJson(other.json.outputs)]).toMatchObject([false, expect.stringContaining('"error":"inf"')]);
    const none = join(folder, 'none-of-them.npz');
    await writeOutputs(none, new Map([['z', x]]));
    expect((await error(check, { file: affine, expected: none, input, ep: 'cpu' })).code).toBe('MISSING_OUTPUT');
  });
});

describe('files of one array, and specifications', () => {
  it('are checked and described too', async () => {
    for (const [name, format] of [
      ['x.npy', 'npy'],
      ['x.csv', 'csv'],
      ['x.parquet', 'parquet'],
    ] as const) {
      const file = join(folder, name);
      await writeOutputs(file, new Map([['x', x]]));
      for (const command of [check, inspect])
        expect((await perform(command, { file })).json).toMatchObject({
          format,
          parameters: [{ shape: [2, 4] }],
          parameterCount: 8,
          problems: [],
        });
      writeFileSync(file, readFileSync(file).subarray(0, 20));
      if (format !== 'csv') await error(check, { file });
    }
    const spec = { file: join(root, 'examples/lse.json') };
    expect((await perform(check, spec)).json).toMatchObject({ format: 'spec', problems: [] });
    const broken = join(folder, 'broken.json');
    writeFileSync(broken, '{"layers": []}');
    expect((await error(check, { file: broken })).code).toBe('BAD_SPEC');
  });
});

describe('JSON', () => {
  it('holds no bare infinities, nor typed arrays, nor bigints', () => {
    const value = {
      a: Infinity,
      b: [-Infinity, Number.NaN],
      c: Float64Array.of(1, Infinity),
      d: 2n,
      e: 2n ** 64n,
      f: new Map([['g', -0]]),
    };
    expect(toJson(value)).toBe(
      '{"a":"inf","b":["-inf","nan"],"c":[1,"inf"],"d":2,"e":"18446744073709551616","f":{"g":0}}',
    );
  });

  it('of inspect describes a model of our own', async () => {
    const { json } = await perform(inspect, { file: digits });
    expect(json).toMatchObject({
      format: 'onnx',
      irVersion: 10,
      opsets: { 'ai.onnx': 21, 'ai.hopfcole': 1 },
      parameterCount: 41601,
      problems: [],
      inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 64] }],
      outputs: [{ name: 'f', dtype: 'float32', shape: ['batch', 10] }],
      parameters: expect.arrayContaining([
        { name: 'classes.weight', dtype: 'float32', shape: [10, 64, 64], bytes: 163840 },
        { name: 'classes.bias', dtype: 'float32', shape: [10, 64], bytes: 2560 },
      ]),
      operators: { 'ai.hopfcole::LogSumExp': 1 },
      sites: [
        {
          name: 'classes',
          kind: 'lse',
          status: 'exact',
          epsilon: 0.25,
          atoms: 64,
          dim: 64,
          heads: 10,
          hamiltonian: '|p|^2',
          viscosity: 0.25,
          where: expect.any(String),
        },
      ],
    });
  });
});

it("gives the digits network's outputs as PyTorch did", async () => {
  const output = join(folder, 'digits.npz');
  await perform(run, { model: digits, input: images, output, ep: 'cpu' });
  const [got, recorded] = [
    (await readArrays(output)).get('f'),
    (await readArrays(fixture('digits/expected.npz'))).get('f_float64'),
  ];
  expect(relativeError(recorded as Tensor, got as Tensor)).toBeLessThan(1e-5);
});
