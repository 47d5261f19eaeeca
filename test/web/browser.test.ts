import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Files, files, scenario } from './scenario.ts';

const root = join(import.meta.dirname, '../..');
const fixtures = join(root, 'fixtures/digits');
const browser = '/usr/bin/chromium';
const here = existsSync(browser);
if (!here && process.env.CI === 'true') throw new Error(`no Chromium at ${browser}: apt-get install chromium`);
if (!here) console.warn(`test/web is skipped in the browser: no Chromium at ${browser}`);

/** No inline script, no eval, nothing from elsewhere. */
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'";

async function bundle(code: string): Promise<Uint8Array> {
  const { outputFiles, warnings } = await build({
    stdin: { contents: code, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    logLevel: 'silent',
  });
  expect(warnings).toEqual([]);
  return outputFiles[0]?.contents ?? new Uint8Array(0);
}

function serve(script: Uint8Array): Promise<Server> {
  const server = createServer((request, response) => {
    const name = files.find((file) => request.url === `/${file}`);
    response.setHeader('Content-Security-Policy', policy);
    if (request.url === '/')
      response
        .setHeader('Content-Type', 'text/html')
        .end('<!DOCTYPE html><script type="module" src="/page.js"></script>');
    else if (request.url === '/page.js') response.setHeader('Content-Type', 'text/javascript').end(script);
    else if (name !== undefined)
      response.setHeader('Content-Type', 'application/octet-stream').end(readFileSync(join(fixtures, name)));
    else response.writeHead(404).end();
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

describe.skipIf(!here)('hopfcole/web in Chromium under a strict content security policy', () => {
  let told: Record<string, string> = {};
  const complaints: string[] = [];
  let server: Server | undefined;

  beforeAll(async () => {
    server = await serve(await bundle("import { show } from './test/web/page.ts'; show();"));
    const { port } = server.address() as AddressInfo;
    const opened = await chromium.launch({
      executablePath: browser,
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
    });
    try {
      const view = await opened.newPage();
      view.on('console', (message) => {
        if (!message.text().includes('favicon')) complaints.push(message.text());
      });
      view.on('pageerror', (error) => complaints.push(String(error)));
      await view.goto(`http://127.0.0.1:${port}/`);
      await view.waitForSelector('body.done', { timeout: 30_000 });
      told = JSON.parse((await view.textContent('body')) ?? '{}');
    } finally {
      await opened.close();
    }
  });

  afterAll(() => server?.close());

  it('gives what Node gives, byte for byte', async () => {
    const given = Object.fromEntries(files.map((name) => [name, new Uint8Array(readFileSync(join(fixtures, name)))]));
    expect(told).toEqual(await scenario(given as unknown as Files));
  });

  it('does what it is to do', () => {
    expect(told.shapes).toBe('f float32[batch]; y float32[batch, 3]; rows float32[batch, 3, 1]');
    expect(told.again).toBe(told.bytes);
    expect(told.problems).toBe('[]');
    expect(told['pt classes.weight']).toBe(told['safetensors classes.weight']);
    expect(told['pt classes.weight']).toMatch(/^float32\[10,64,64\] 163840 /);
    expect(told.mistake).toMatch(/^SHAPE_MISMATCH /);
    expect(told.notOnnx).toMatch(/^NOT_ONNX /);
  });

  it('makes the browser complain of nothing', () => {
    expect(complaints).toEqual([]);
  });
});

describe('a bundle of hopfcole/web', () => {
  /** Upper bounds in bytes, minified: what a page pays for what it takes. */
  it.each([
    ["export { readSafetensors } from './src/web.ts'", 12_000],
    ["export { sitesOf } from './src/web.ts'", 40_000],
    ["export { openCheckpoint } from './src/web.ts'", 110_000],
    ["export { readModel } from './src/web.ts'", 150_000],
    ["export { op, input, model } from './src/web.ts'", 260_000],
    ["export * from './src/layers/index.ts'", 420_000],
    ["export { importProgram } from './src/web.ts'", 560_000],
    ["export * from './src/web.ts'", 1_650_000],
  ])('%s takes at most %i bytes', async (code, most) => {
    const script = await bundle(code);
    expect(script.length).toBeGreaterThan(1000);
    expect(script.length).toBeLessThan(most);
  });
});
