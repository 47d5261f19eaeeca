import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { toNumbers } from '../../src/files/tensor.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { findAdapter } from '../../src/runtime/node/vulkan.ts';
import { networks } from '../costate/networks.ts';

const browser = '/usr/bin/chromium';
const here = existsSync(browser);
if (!here && process.env.CI === 'true') throw new Error(`no Chromium at ${browser}: apt-get install chromium`);
const webgpu = findAdapter().kind !== 'none';

const graphs = networks().map(({ name, model, feeds }) => ({
  name,
  feeds,
  bytes: encodeModel(toProto(costate(model, { wrt: ['all'] }).model)),
}));

type Numbers = Readonly<Record<string, readonly number[]>>;

/** The page, ONNX Runtime's files and the graphs, all from one origin. */
function serve(script: Uint8Array): Promise<Server> {
  const folder = join(import.meta.dirname, '../../node_modules/onnxruntime-web/dist');
  const list = graphs.map(({ name, feeds }) => ({
    name,
    feeds: Object.fromEntries(
      Object.entries(feeds).map(([key, t]) => [key, { shape: t.shape, data: [...toNumbers(t)] }]),
    ),
  }));
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const graph = graphs.find(({ name }) => path === `/graph/${name}`);
    if (path === '/')
      response
        .setHeader('Content-Type', 'text/html')
        .end('<!DOCTYPE html><script type="module" src="/page.js"></script>');
    else if (path === '/page.js') response.setHeader('Content-Type', 'text/javascript').end(script);
    else if (path === '/graphs.json') response.setHeader('Content-Type', 'application/json').end(JSON.stringify(list));
    else if (graph !== undefined) response.setHeader('Content-Type', 'application/octet-stream').end(graph.bytes);
    else if (path.startsWith('/ort/') && existsSync(join(folder, basename(path))))
      response
        .setHeader('Content-Type', path.endsWith('.wasm') ? 'application/wasm' : 'text/javascript')
        .end(readFileSync(join(folder, basename(path))));
    else response.writeHead(404).end();
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

async function onCpu(): Promise<Record<string, Numbers>> {
  const expected: Record<string, Numbers> = {};
  for (const { name, bytes, feeds } of graphs) {
    const session = await openSession(bytes, { provider: 'cpu' });
    const { outputs } = await session.run(feeds);
    await session.close();
    expected[name] = Object.fromEntries([...outputs].map(([key, value]) => [key, [...toNumbers(value)]]));
  }
  return expected;
}

function furthest(got: readonly number[], expected: readonly number[]): number {
  const scale = Math.max(1, ...expected.map(Math.abs));
  return got.length === expected.length
    ? Math.max(...got.map((value, i) => Math.abs(value - (expected[i] ?? 0)) / scale))
    : Infinity;
}

describe.skipIf(!here)('co-state graphs in onnxruntime-web', () => {
  let server: Server | undefined;
  let opened: Browser | undefined;
  let expected: Record<string, Numbers> = {};

  beforeAll(async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: "import { run } from './test/web/costate-page.ts'; run();",
        resolveDir: join(import.meta.dirname, '../..'),
        loader: 'ts',
      },
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      target: 'es2023',
      logLevel: 'silent',
    });
    server = await serve(outputFiles[0]?.contents ?? new Uint8Array(0));
    opened = await chromium.launch({
      executablePath: browser,
      args: ['--no-sandbox', '--no-first-run', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
    });
    expected = await onCpu();
  });

  afterAll(async () => {
    await opened?.close();
    server?.close();
  });

  it.each(webgpu ? ['wasm', 'webgpu'] : ['wasm'])(
    'equal the CPU on %s',
    async (provider) => {
      const port = (server?.address() as AddressInfo | undefined)?.port ?? 0;
      const view = await opened?.newPage();
      await view?.goto(`http://127.0.0.1:${port}/?provider=${provider}`);
      await view?.waitForSelector('body.done', { timeout: 120_000 });
      const told = JSON.parse((await view?.textContent('body')) ?? '{}') as Record<string, Numbers>;
      await view?.close();
      for (const [name, outputs] of Object.entries(expected)) {
        expect(Object.keys(told[name] ?? {}), `${name}: ${JSON.stringify(told[name]).slice(0, 300)}`).toEqual(
          Object.keys(outputs),
        );
        for (const [key, values] of Object.entries(outputs)) {
          // onnxruntime-web 1.30 on WebGPU reads other numbers where a Reshape alone reads what a Scan gives; Node's WebGPU does not.
          if (provider === 'webgpu' && name === 'scan' && key === 'costate_w') continue;
          expect(furthest(told[name]?.[key] ?? [], values), `${name}: ${key}`).toBeLessThan(1e-4);
        }
      }
    },
    180_000,
  );
});

describe.skipIf(!webgpu)('co-state graphs on WebGPU in Node', () => {
  it.each(graphs)('$name equals the CPU', async ({ name, bytes, feeds }) => {
    const cpu = await openSession(bytes, { provider: 'cpu' });
    const expected = (await cpu.run(feeds)).outputs;
    await cpu.close();
    const session = await openSession(bytes, { home: 'child', provider: 'webgpu', profile: true });
    const { outputs } = await session.run(feeds);
    expect(session.providers?.nodes.WebGpuExecutionProvider, name).toBeGreaterThan(0);
    await session.close();
    for (const [key, value] of expected) {
      const got = outputs.get(key);
      expect(got === undefined ? Infinity : furthest([...toNumbers(got)], [...toNumbers(value)]), key).toBeLessThan(
        1e-4,
      );
    }
  });
});
