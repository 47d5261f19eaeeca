import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fromNumbers, toNumbers } from '../../src/files/tensor.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { findAdapter } from '../../src/runtime/node/vulkan.ts';
import { failure, fixture } from './support.ts';

const adapter = findAdapter();
const missing = adapter.kind === 'none';
if (missing) {
  if (process.env.CI === 'true') throw new Error(`WebGPU must run in CI: ${adapter.why}. ${adapter.hint ?? ''}`);
  console.log(`WebGPU tests skipped: ${adapter.why}`);
}
if (adapter.kind === 'software')
  console.log('SwiftShader has no float16: float16 on WebGPU is tested only to be refused');

const gpu = { home: 'child', provider: 'webgpu', requireProvider: true } as const;
const data = Array.from({ length: 64 }, (_, i) => Math.fround(Math.cos(i * i)));
const x = fromNumbers('float32', [16, 4], data);

describe.skipIf(missing)('WebGPU', () => {
  it.each(['affine', 'shapes'])('runs %s there, node by node, and equals the CPU', async (name) => {
    const cpu = await openSession(fixture(name), { home: 'child', provider: 'cpu' });
    const expected = toNumbers((await cpu.run({ x })).outputs.get('y') ?? x);
    await cpu.close();
    const session = await openSession(fixture(name), gpu);
    expect(session.provider.device).toBeDefined();
    const got = toNumbers((await session.run({ x })).outputs.get('y') ?? x);
    expect(session.providers?.nodes.WebGpuExecutionProvider).toBeGreaterThanOrEqual(2);
    const strays = session.providers?.placements.filter(
      (node) => node.provider !== 'WebGpuExecutionProvider' && !node.shapeArithmetic,
    );
    expect(strays).toEqual([]);
    await session.close();
    expect(got.length).toBe(expected.length);
    expect(Math.max(...got.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN))))).toBeLessThan(1e-5);
  });

  it('runs bfloat16 models in float32', async () => {
    const session = await openSession(fixture('bfloat16-net'), { home: 'child', provider: 'webgpu', profile: true });
    const { outputs } = await session.run({
      x: fromNumbers('bfloat16', [1, 4], [1, -2, 3, 0.5]),
      precise: fromNumbers('float32', [1], [Math.PI]),
      flag: fromNumbers('float32', [], [1]),
    });
    expect(session.providers?.nodes.WebGpuExecutionProvider).toBeGreaterThan(0);
    await session.close();
    expect(session.notes).toHaveLength(1);
    expect([...toNumbers(outputs.get('y') ?? x)]).toEqual([2.3125, 2.625, 2.9375]);
    expect([...toNumbers(outputs.get('squared') ?? x)]).toEqual([9.875]);
  });

  it('refuses a node elsewhere where the provider is required, and tells where each ran otherwise', async () => {
    const feeds = { x: fromNumbers('float32', [2, 2], [1, 2, 3, 4]) };
    const strict = await openSession(fixture('mixed'), gpu);
    const got = await failure(strict.run(feeds));
    expect(got).toMatchObject({
      code: 'PROVIDER_NOT_USED',
      line: expect.stringContaining('determinant (Det: CPUExecutionProvider)'),
    });
    // It stays refused: the second run is not profiled any more.
    expect((await failure(strict.run(feeds))).code).toBe('PROVIDER_NOT_USED');
    await strict.close();
    const loose = await openSession(fixture('mixed'), { home: 'child', provider: 'webgpu', profile: true });
    const result = await loose.run(feeds);
    expect(loose.providers?.nodes).toMatchObject({ CPUExecutionProvider: 1 });
    expect(toNumbers(result.outputs.get('y') ?? x)[0]).toBeCloseTo(4, 4);
    await loose.close();
  });

  it.skipIf(adapter.kind !== 'software')('says that SwiftShader has no float16, and prints nothing', () => {
    const url = (path: string) => pathToFileURL(join(import.meta.dirname, '../../dist/src', path)).href;
    const text = `
import { openSession } from '${url('runtime/node/open.js')}';
import { fromNumbers } from '${url('files/tensor.js')}';
const session = await openSession(${JSON.stringify(fixture('half'))}, { home: 'child', provider: 'webgpu' });
const error = await session.run({ x: fromNumbers('float16', [2], [1, 2]) }).catch((reason) => reason);
console.log(JSON.stringify({ code: error.code, detail: String(error.cause) }));
await session.close();`;
    const done = spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' });
    expect([done.status, done.stderr]).toEqual([0, '']);
    const { code, detail } = JSON.parse(done.stdout) as { code: string; detail: string };
    expect(code).toBe('UNSUPPORTED_DTYPE');
    expect(detail).toContain('requires f16');
  });

  it('works in a worker too', () => {
    const url = (path: string) => pathToFileURL(join(import.meta.dirname, '../../dist/src', path)).href;
    const text = `
import { openSession } from '${url('runtime/node/open.js')}';
import { fromNumbers, toNumbers } from '${url('files/tensor.js')}';
const session = await openSession(${JSON.stringify(fixture('affine'))}, { provider: 'webgpu', requireProvider: true });
const { outputs } = await session.run({ x: fromNumbers('float32', [1, 4], [1, 2, 3, 4]) });
console.log(JSON.stringify([...toNumbers(outputs.get('y'))]));
await session.close();`;
    const done = spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' });
    expect([done.status, done.status === 0 ? '' : done.stderr]).toEqual([0, '']);
    const got = JSON.parse(done.stdout) as number[];
    [2.5, 3.75, 5].forEach((value, i) => {
      expect(got[i]).toBeCloseTo(value, 5);
    });
  });
});

describe('findAdapter', () => {
  it.skipIf(process.platform !== 'linux')('believes what the environment names', () => {
    if (findAdapter({}).kind === 'none' && /loader/.test(findAdapter({}).why)) return;
    expect(findAdapter({ VK_DRIVER_FILES: '/x/vk_swiftshader_icd.json' }).kind).toBe('software');
    expect(findAdapter({ VK_ICD_FILENAMES: '/x/radeon_icd.json' }).kind).toBe('hardware');
  });
});
