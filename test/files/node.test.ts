import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFile } from '../../src/files/node/file.ts';
import { fileFolder } from '../../src/files/node/folder.ts';
import { atomicWrite, atomicWriteGroup } from '../../src/files/node/write.ts';
import { openUrl } from '../../src/files/url.ts';

const root = mkdtempSync(join(tmpdir(), 'hopfcole-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error) => error.code,
  );

describe('openFile', () => {
  it('reads any range, and nothing beyond the end', async () => {
    const path = join(root, 'bytes');
    writeFileSync(
      path,
      Uint8Array.from({ length: 1000 }, (_, i) => i % 251),
    );
    const source = await openFile(path);
    expect(source.size).toBe(1000);
    expect([...(await source.read(250, 3))]).toEqual([250, 0, 1]);
    expect((await source.read(1000, 0)).byteLength).toBe(0);
    for (const [offset, length] of [
      [999, 2],
      [-1, 1],
      [0, 1001],
      [0.5, 1],
      [0, Number.NaN],
      [2 ** 53, 1],
    ] as const)
      expect(await codeOf(source.read(offset, length))).toBe('TRUNCATED');
    await source.close?.();
  });

  it('says what is no file', async () => {
    expect(await codeOf(openFile(join(root, 'missing')))).toBe('FILE_NOT_FOUND');
    expect(await codeOf(openFile(root))).toBe('NOT_A_FILE');
    expect(await codeOf(openFile('/dev/zero'))).toBe('NOT_A_FILE');
    expect(await codeOf(openFile('a\0b'))).toBe('FILE_NOT_FOUND');
    execFileSync('mkfifo', [join(root, 'pipe')]);
    expect(await codeOf(openFile(join(root, 'pipe')))).toBe('NOT_A_FILE');
  });
});

describe('fileFolder', () => {
  const inside = join(root, 'model');
  beforeAll(() => {
    mkdirSync(join(inside, 'sub'), { recursive: true });
    mkdirSync(join(root, 'model-secret'));
    mkdirSync(join(root, 'outside'));
    for (const path of ['outside/secret', 'model-secret/secret', 'model/weights', 'model/sub/weights'])
      writeFileSync(join(root, path), path);
    symlinkSync('weights', join(inside, 'link-inside'));
    symlinkSync('../outside/secret', join(inside, 'link-outside'));
    symlinkSync(join(root, 'outside/secret'), join(inside, 'link-absolute'));
    symlinkSync('../outside', join(inside, 'folder-link'));
    symlinkSync('link-outside', join(inside, 'link-link'));
    symlinkSync('../model-secret/secret', join(inside, 'link-sibling'));
    symlinkSync('../nowhere', join(inside, 'link-broken'));
    symlinkSync('loop', join(inside, 'loop'));
    symlinkSync('/dev/zero', join(inside, 'device'));
    execFileSync('mkfifo', [join(inside, 'pipe')]);
    linkSync(join(inside, 'weights'), join(inside, 'hard'));
  });

  it('opens what is in it', async () => {
    const folder = fileFolder(inside);
    for (const path of ['weights', 'sub/weights', './weights', 'sub//weights', 'link-inside', 'hard']) {
      const source = await folder.open(path);
      expect(new TextDecoder().decode(await source.read(0, source.size))).toMatch(/weights$/);
    }
  });

  it('works through a link to the folder itself', async () => {
    symlinkSync('model', join(root, 'alias'));
    expect((await fileFolder(join(root, 'alias')).open('weights')).size).toBe(13);
  });

  const escapes = [
    '../outside/secret',
    '/etc/passwd',
    'sub/../../outside/secret',
    'sub/..',
    '..',
    'link-outside',
    'link-absolute',
    'folder-link/secret',
    'link-link',
    'link-sibling',
    'link-broken',
    'loop',
    'device',
    'C:\\secret',
    'C:secret',
    '..\\outside\\secret',
    'sub\\weights',
    '\\\\server\\share',
    'weights\0.bin',
    '',
    '.',
    '/',
    'a\nb',
    '//etc/passwd',
    'sub/../weights',
  ];
  for (const path of escapes)
    it(`refuses ${JSON.stringify(path)}`, async () => {
      expect(await codeOf(fileFolder(inside).open(path))).toBe('PATH_OUTSIDE_MODEL');
    });

  it('says what is missing or no file', async () => {
    expect(await codeOf(fileFolder(inside).open('missing'))).toBe('FILE_NOT_FOUND');
    expect(await codeOf(fileFolder(inside).open('weights/below'))).toBe('FILE_NOT_FOUND');
    expect(await codeOf(fileFolder(inside).open('sub'))).toBe('NOT_A_FILE');
    expect(await codeOf(fileFolder(inside).open('pipe'))).toBe('NOT_A_FILE');
    expect(await codeOf(fileFolder(join(root, 'no folder')).open('x'))).toBe('FILE_NOT_FOUND');
  });
});

describe('atomicWrite', () => {
  const text = (value: string) => new TextEncoder().encode(value);

  it('writes a whole file, keeps the mode of the one before, leaves nothing else', async () => {
    const folder = mkdtempSync(join(root, 'w'));
    const path = join(folder, 'out.bin');
    writeFileSync(path, 'before');
    chmodSync(path, 0o640);
    const result = await atomicWrite(path, async (sink) => {
      await sink.write(text('one '));
      expect(readFileSync(path, 'utf8')).toBe('before');
      await sink.write(text('two'));
      return 5;
    });
    expect(result).toBe(5);
    expect(readFileSync(path, 'utf8')).toBe('one two');
    expect(readdirSync(folder)).toEqual(['out.bin']);
  });

  it('leaves everything as it was on an error', async () => {
    const folder = mkdtempSync(join(root, 'w'));
    writeFileSync(join(folder, 'old'), 'before');
    const failing = atomicWriteGroup([join(folder, 'new'), join(folder, 'old')], async ([a, b]) => {
      await a?.write(text('a'));
      await b?.write(text('b'));
      throw new Error('stop');
    });
    await expect(failing).rejects.toThrow('stop');
    expect(readdirSync(folder)).toEqual(['old']);
    expect(readFileSync(join(folder, 'old'), 'utf8')).toBe('before');
    expect(process.listenerCount('SIGINT')).toBe(0);
  });

  it('puts back what it had renamed when a later rename fails', async () => {
    const folder = mkdtempSync(join(root, 'w'));
    writeFileSync(join(folder, 'data'), 'before');
    const failing = atomicWriteGroup([join(folder, 'data'), join(folder, 'model')], async ([a]) => {
      await a?.write(text('after'));
      // A folder in the way that was not there at the start.
      mkdirSync(join(folder, 'model'));
    });
    expect(await codeOf(failing)).toBe('NOT_A_FILE');
    expect(readFileSync(join(folder, 'data'), 'utf8')).toBe('before');
    expect(readdirSync(folder).sort()).toEqual(['data', 'model']);
  });

  it('says why it cannot write', async () => {
    const none = async () => undefined;
    expect(await codeOf(atomicWrite(join(root, 'no/such/out'), none))).toBe('FOLDER_NOT_FOUND');
    expect(await codeOf(atomicWrite(root, none))).toBe('NOT_A_FILE');
    expect(await codeOf(atomicWrite('/proc/out', none))).toMatch(/NO_PERMISSION|FILE_NOT_FOUND|FILE_ERROR/);
    expect(await codeOf(atomicWrite('/dev/full', none))).toBe('NOT_A_FILE');
  });

  it('leaves nothing when it is interrupted', async () => {
    const folder = mkdtempSync(join(root, 'w'));
    const script = join(folder, 'writer.mjs');
    buildSync({
      stdin: {
        contents: `
          import { atomicWrite } from ${JSON.stringify(resolve(import.meta.dirname, '../../src/files/node/write.ts'))};
          await atomicWrite(process.argv[2], async (sink) => {
            await sink.write(new Uint8Array(100000));
            console.log('writing');
            await new Promise((resolve) => setTimeout(resolve, 20000));
          });`,
        resolveDir: folder,
        loader: 'ts',
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: script,
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const child = spawn(process.execPath, [script, join(folder, 'out.bin')], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      expect(readdirSync(folder).length).toBe(2);
      child.kill(signal);
      const [, by] = await once(child, 'exit');
      expect(by).toBe(signal);
      expect(readdirSync(folder)).toEqual(['writer.mjs']);
    }
  });
});

describe('openUrl', () => {
  const body = Uint8Array.from({ length: 500 }, (_, i) => i % 256);
  const server = createServer((request, response) => {
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
    if (request.url === '/missing') return void response.writeHead(404).end();
    if (request.url === '/plain' || range === null) return void response.writeHead(200).end(body);
    const [begin, end] = [Number(range[1]), Number(range[2])];
    response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/${body.byteLength}` });
    response.end(body.subarray(begin, end + 1));
  });
  let base = '';
  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  it('reads ranges', async () => {
    const source = await openUrl(`${base}/file`);
    expect(source.size).toBe(500);
    expect([...(await source.read(254, 4))]).toEqual([254, 255, 0, 1]);
    expect(await codeOf(source.read(499, 2))).toBe('TRUNCATED');
  });

  it('says what a server cannot do', async () => {
    expect(await codeOf(openUrl(`${base}/missing`))).toBe('FILE_NOT_FOUND');
    expect(await codeOf(openUrl(`${base}/plain`))).toBe('URL_ERROR');
  });
});
