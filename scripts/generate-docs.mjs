// `npm run generate:docs`: writes the pages of docs/ that are made from the code (Node runs no TypeScript on every version).
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';

// By the module that makes them: its functions by the files they make. A function that gives a record makes the files it names.
const makers = {
  'aten-page': { 'docs/aten.md': 'atenPage' },
  'operator-page': { 'docs/operators.md': 'operatorPage' },
  'architecture-page': { 'docs/architectures.md': 'architecturePage' },
  'layer-page': { 'docs/layers.md': 'layerPage', 'docs/spec.schema.json': 'schemaPage' },
};

for (const [module, pages] of Object.entries(makers)) {
  // Beside the source, so that it finds the tests it names by its own place.
  const outfile = resolve(`test/support/.${module}.mjs`);
  buildSync({
    entryPoints: [`test/support/${module}.ts`],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile,
    logLevel: 'error',
  });
  try {
    const made = await import(pathToFileURL(outfile).href);
    for (const [file, name] of Object.entries(pages)) {
      const page = made[name]();
      const files = typeof page === 'string' ? { [file]: page } : page;
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, text);
      }
    }
  } finally {
    rmSync(outfile);
  }
}
