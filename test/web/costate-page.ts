import * as ort from 'onnxruntime-web';

interface Graph {
  readonly name: string;
  readonly feeds: Readonly<Record<string, { readonly shape: number[]; readonly data: number[] }>>;
}

/** Runs every graph the server has on the provider the address names, and leaves the outputs in the page. */
export async function run(): Promise<void> {
  const provider = new URLSearchParams(location.search).get('provider') ?? 'wasm';
  ort.env.wasm.wasmPaths = '/ort/';
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  const told: Record<string, unknown> = {};
  for (const { name, feeds } of (await (await fetch('/graphs.json')).json()) as Graph[])
    try {
      const bytes = new Uint8Array(await (await fetch(`/graph/${name}`)).arrayBuffer());
      const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider] });
      const given = Object.fromEntries(
        Object.entries(feeds).map(([key, { shape, data }]) => [
          key,
          new ort.Tensor('float32', Float32Array.from(data), shape),
        ]),
      );
      const results = await session.run(given);
      told[name] = Object.fromEntries(
        Object.entries(results).map(([key, value]) => [key, [...(value.data as Float32Array)]]),
      );
      await session.release();
    } catch (error) {
      told[name] = { error: String(error) };
    }
  document.body.textContent = JSON.stringify(told);
  document.body.className = 'done';
}
