import { type Files, files, scenario } from './scenario.ts';

/** Runs in the browser: the scenario on the fixtures, its result left in the document. */
async function run(): Promise<Record<string, string>> {
  const fetched = await Promise.all(
    files.map(async (name) => [name, new Uint8Array(await (await fetch(`/${name}`)).arrayBuffer())] as const),
  );
  return scenario(Object.fromEntries(fetched) as unknown as Files);
}

/** Leaves the result, or what went wrong, in the document. */
export function show(): void {
  const leave = (result: unknown) => {
    document.body.textContent = JSON.stringify(result);
    document.body.className = 'done';
  };
  run().then(leave, (error: unknown) => leave({ failed: error instanceof Error ? `${error.stack}` : String(error) }));
}
