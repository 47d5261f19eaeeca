import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fromNumbers, makeTensor } from '../../src/files/tensor.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { failure, fixture, isAlive, isGone, pidOf } from './support.ts';

const child = { home: 'child', provider: 'cpu' } as const;
/** As good as for ever: the run has to be stopped. */
const endless = {
  count: fromNumbers('int64', [], [10n ** 12n]),
  x: fromNumbers('float32', [32, 32], new Array(1024).fill(0)),
};
const short = { ...endless, count: fromNumbers('int64', [], [1]) };
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const built = (path: string) => pathToFileURL(join(import.meta.dirname, '../../dist/src', path)).href;

/** A program that opens a session in a child, as a user of the package would. */
function program(body: string): string {
  return `
import { openSession } from '${built('runtime/node/open.js')}';
import { fromNumbers } from '${built('files/tensor.js')}';
const x = fromNumbers('float32', [32, 32], new Array(1024).fill(0));
const feeds = (n) => ({ count: fromNumbers('int64', [], [n]), x });
const session = await openSession(${JSON.stringify(fixture('rounds'))}, { home: 'child', provider: 'cpu' });
${body}`;
}

describe('a session in a child process', () => {
  it('is stopped by a time limit in the middle of a run', async () => {
    const session = await openSession(fixture('rounds'), child);
    const pid = pidOf(session);
    const start = Date.now();
    const running = failure(session.run(endless, { timeoutMs: 300 }));
    const behind = failure(session.run(short));
    expect(await running).toMatchObject({ code: 'TIMEOUT', line: expect.stringContaining('0.3 seconds') });
    expect(Date.now() - start).toBeLessThan(3000);
    expect((await behind).code).toBe('SESSION_CLOSED');
    expect((await failure(session.run(short))).code).toBe('SESSION_CLOSED');
    expect(isAlive(pid)).toBe(false);
    await session.close();
  });

  it('is stopped by a signal, also before it starts', async () => {
    const session = await openSession(fixture('rounds'), child);
    const pid = pidOf(session);
    expect((await failure(session.run(short, { signal: AbortSignal.abort() }))).code).toBe('INTERRUPTED');
    expect((await session.run(short)).outputs.size).toBe(1);
    const controller = new AbortController();
    const running = failure(session.run(endless, { signal: controller.signal }));
    setTimeout(() => controller.abort(), 200);
    expect((await running).code).toBe('INTERRUPTED');
    expect(isAlive(pid)).toBe(false);
  });

  it('lets a waiting run go without harm to the one that runs', async () => {
    const session = await openSession(fixture('rounds'), child);
    const controller = new AbortController();
    const first = session.run({ ...endless, count: fromNumbers('int64', [], [100_000n]) });
    const second = failure(session.run(short, { signal: controller.signal }));
    controller.abort();
    expect((await second).code).toBe('INTERRUPTED');
    expect((await first).outputs.size).toBe(1);
    expect((await session.run(short)).outputs.size).toBe(1);
    await session.close();
  });

  it('gives up opening when the time is over', async () => {
    expect((await failure(openSession(fixture('affine'), { ...child, timeoutMs: 1 }))).code).toBe('TIMEOUT');
    const signal = AbortSignal.abort();
    expect((await failure(openSession(fixture('affine'), { ...child, signal }))).code).toBe('INTERRUPTED');
  });

  it.each(['SIGSEGV', 'SIGABRT', 'SIGKILL'] as const)('makes an error of a crash by %s', async (signal) => {
    const session = await openSession(fixture('rounds'), child);
    const running = failure(session.run(endless));
    await wait(100);
    process.kill(pidOf(session), signal);
    expect(await running).toMatchObject({ code: 'NATIVE_CRASH', line: expect.stringContaining(signal) });
    expect((await failure(session.run(short))).code).toBe('NATIVE_CRASH');
    await session.close();
  });

  it('ends at close, with whatever runs there, and leaves no files', async () => {
    const before = process.env.TMPDIR;
    const own = mkdtempSync(join(tmpdir(), 'close-'));
    process.env.TMPDIR = own;
    try {
      const session = await openSession(fixture('rounds'), { ...child, profile: true });
      const pid = pidOf(session);
      const running = failure(session.run(endless));
      await wait(50);
      expect(readdirSync(own)).toHaveLength(1);
      await session.close();
      expect((await running).code).toBe('SESSION_CLOSED');
      expect(isAlive(pid)).toBe(false);
      expect(readdirSync(own)).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
      rmSync(own, { recursive: true, force: true });
    }
  });

  it('does not outlive a parent that is killed in the middle of a run', async () => {
    const text = program(`console.log(session.pid); await session.run(feeds(10n ** 12n));`);
    const parent = spawn(process.execPath, ['--input-type=module', '-e', text], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = Number(await new Promise((resolve) => parent.stdout.once('data', (data) => resolve(String(data)))));
    expect(isAlive(pid)).toBe(true);
    await wait(200);
    parent.kill('SIGKILL');
    expect(await isGone(pid)).toBe(true);
  });

  it('keeps its parent neither alive nor waiting when idle', () => {
    const text = program(`await session.run(feeds(1n)); console.log(session.pid);`);
    const start = Date.now();
    const done = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect([done.status, done.stderr]).toEqual([0, '']);
    expect(Date.now() - start).toBeLessThan(10_000);
    return isGone(Number(done.stdout)).then((gone) => expect(gone).toBe(true));
  });

  it('opens several at once', async () => {
    const sessions = await Promise.all([1, 2, 3].map(() => openSession(fixture('rounds'), child)));
    expect(new Set(sessions.map(pidOf)).size).toBe(3);
    const results = await Promise.all(sessions.map((session) => session.run(short)));
    expect(results.map(({ outputs }) => outputs.get('y')?.shape)).toEqual([
      [32, 32],
      [32, 32],
      [32, 32],
    ]);
    await Promise.all(sessions.map((session) => session.close()));
  });

  it('takes and gives 100 MB', async () => {
    const count = 25_000_000;
    const data = new Float32Array(count);
    for (let i = 0; i < count; i++) data[i] = i % 1000;
    const session = await openSession(fixture('loose'), child);
    const feeds = {
      x: makeTensor('float32', [count], new Uint8Array(data.buffer)),
      s: fromNumbers('float32', [], [1]),
      u: fromNumbers('int64', [1], [1]),
    };
    const y = (await session.run(feeds, { outputs: ['y'] })).outputs.get('y');
    await session.close();
    if (y === undefined) throw new Error('no output');
    const got = new Float32Array(y.bytes.buffer, y.bytes.byteOffset, count);
    let wrong = 0;
    for (let i = 0; i < count; i++) if (got[i] !== (i % 1000) + 1) wrong++;
    expect(wrong).toBe(0);
  });

  it('keeps the last lines that native code printed behind the error, and goes on', async () => {
    const session = await openSession(fixture('pick'), child);
    const pick = (row: number) => ({ i: fromNumbers('int64', [1], [row]) });
    const got = await failure(session.run(pick(99)));
    expect(got).toMatchObject({ code: 'RUN_FAILED', line: expect.stringMatching(/node 'rows', operator Gather/) });
    expect(got.cause).toContain('onnxruntime');
    expect((await session.run(pick(3))).outputs.get('y')?.shape).toEqual([1, 3]);
    await session.close();
  });
});
