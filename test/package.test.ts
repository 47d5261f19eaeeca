import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
};

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

/** A program of somebody who installed the package. */
const program = `
import { constant, encodeModel, fromNumbers, fromProto, HopfcoleError, input, memorySource, type Model, model, op, openSession,
  parameter, readModel, sitesOf, toNumbers, toProto, validate, type Value } from 'hopfcole';
import { readModel as readOnnx } from 'hopfcole/onnx';
import { logSumExp } from 'hopfcole/ops';
import * as op18 from 'hopfcole/opset/18';
import { readSafetensors } from 'hopfcole/web';

const x: Value = input('x', 'float32', ['batch', 2]);
const W = parameter('W', fromNumbers('float32', [3, 2], [1, 0, 0, 1, 1, 1]));
const b = parameter('b', fromNumbers('float32', [3], [0, 0, 0]));
const built: Model = model({ inputs: [x], outputs: { f: logSumExp(x, W, b, constant(0.5)), y: op.relu(x) } });
const bytes = encodeModel(toProto(built));
const back = await fromProto(await readModel(memorySource(bytes)));
const session = await openSession(bytes, { provider: 'cpu' });
const { outputs } = await session.run({ x: fromNumbers('float32', [1, 2], [1, 2]) });
await session.close();
const f = outputs.get('f');
let code = '';
try {
  op.add(x, constant([1, 2, 3]));
} catch (error) {
  if (error instanceof HopfcoleError) code = error.code;
}
// @ts-expect-error: a string is no Value
const wrong = () => op.relu('x');
const told = { kinds: sitesOf(back).map(({ kind }) => kind), problems: (await validate(back)).length, f: f && [...toNumbers(f)], code,
  same: readOnnx === readModel, parts: [typeof op18.relu, typeof readSafetensors, typeof wrong] };
console.log(JSON.stringify(told));
`;

describe('the package as npm packs it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-package-'));
  const consumer = join(folder, 'consumer');
  const installed = join(consumer, 'node_modules/hopfcole');
  let packed: Packed | undefined;

  beforeAll(() => {
    const told = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    packed = (JSON.parse(told) as Packed[])[0];
    mkdirSync(installed, { recursive: true });
    execFileSync('tar', ['-xzf', join(folder, packed?.filename ?? ''), '-C', installed, '--strip-components=1']);
    // What npm would install beside it, from here: tests use no network.
    for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
      const link = join(consumer, 'node_modules', name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(root, 'node_modules', name), link);
    }
    writeFileSync(join(consumer, 'package.json'), '{ "private": true, "type": "module" }');
    writeFileSync(join(consumer, 'program.ts'), program);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('holds what runs and what is read, no sources and no tests, in 3 MB', () => {
    const paths = packed?.files.map(({ path }) => path) ?? [];
    const tops = new Set(paths.map((path) => path.split('/')[0]));
    expect([...tops].filter((top) => !['dist', 'docs', 'examples', 'fixtures'].includes(top ?? '')).sort()).toEqual(
      ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'].filter((file) => existsSync(join(root, file))),
    );
    expect(paths.filter((path) => /\.test\.|^dist\/(test|bench|examples)\//.test(path))).toEqual([]);
    expect(paths.filter((path) => /^dist\/.*(?<!\.d)\.ts$/.test(path))).toEqual([]);
    expect(paths.filter((path) => path.startsWith('fixtures/') && !path.startsWith('fixtures/digits/'))).toEqual([]);
    expect(packed?.size).toBeLessThan(3_000_000);
  });

  it('has every file that exports names, and every opset from 13 to 24', () => {
    const targets = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : [entry.types, entry.default],
    );
    expect(targets.filter((target) => !existsSync(join(installed, target)))).toEqual([]);
    const opsets = readdirSync(join(root, 'src/graph/generated')).filter((name) => name.startsWith('opset'));
    const expected = opsets.map((name) => `./opset/${/\d+/.exec(name)?.[0]}`).sort();
    const named = Object.keys(manifest.exports).filter((name) => name.startsWith('./opset/'));
    expect(named.sort()).toEqual(expected);
  });

  it.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('is typed for a strict program: module %s, resolution %s', (module, resolution) => {
    const config = {
      compilerOptions: {
        target: 'es2023',
        lib: ['es2023', 'dom', 'esnext.disposable'],
        types: ['node'],
        module,
        moduleResolution: resolution,
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: true,
      },
      files: ['program.ts'],
    };
    writeFileSync(join(consumer, `tsconfig.${resolution}.json`), JSON.stringify(config));
    const compiler = join(root, 'node_modules/.bin/tsc');
    const told = spawnSync(compiler, ['-p', `tsconfig.${resolution}.json`], { cwd: consumer, encoding: 'utf8' });
    expect(told.stdout).toBe('');
    expect(told.status).toBe(0);
  });

  it('runs: builds, writes, reads and computes', () => {
    const told = execFileSync(process.execPath, ['program.js'], { cwd: consumer, encoding: 'utf8' });
    const { f, ...rest } = JSON.parse(told) as { f: number[] };
    expect(rest).toEqual({
      kinds: ['lse', 'relu'],
      problems: 0,
      code: 'SHAPE_MISMATCH',
      same: true,
      parts: ['function', 'function', 'function'],
    });
    expect(f).toHaveLength(1);
    expect(f[0]).toBeCloseTo(0.5 * Math.log(Math.exp(2) + Math.exp(4) + Math.exp(6)), 5);
  });

  it('has the command line, with its version and the files of the demo', () => {
    const main = join(installed, 'dist/src/cli/main.js');
    const run = (...args: string[]) =>
      execFileSync(process.execPath, [main, ...args], { cwd: consumer, encoding: 'utf8' });
    expect(readFileSync(main, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect(run('--version').trim()).toBe(manifest.version);
    const told = JSON.parse(run('demo', '--json', '-o', 'out')) as { ok: boolean; accuracy: number };
    expect(told.ok).toBe(true);
    expect(told.accuracy).toBeGreaterThan(0.9);
  });

  it('keeps its inside to itself', () => {
    const inside = "await import('hopfcole/dist/src/graph/make.js')";
    const told = spawnSync(process.execPath, ['--input-type=module', '-e', inside], {
      cwd: consumer,
      encoding: 'utf8',
    });
    expect(told.stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });
});
