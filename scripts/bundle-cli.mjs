// Last step of the build: the command line as a few files with the libraries it uses, in place of some four hundred that Node would find and read one by one
// (that is half of the time of a short command). ONNX Runtime stays a package: it is native code. The licences of what is packed in stand beside it.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

const outdir = 'dist/src/cli';
// The library's own files stand beside it in dist/; of the command line's nothing else is read.
rmSync(outdir, { recursive: true, force: true });
const { metafile } = buildSync({
  entryPoints: ['src/cli/main.ts'],
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['onnxruntime-node', 'onnxruntime-web'],
  // Names stay, so that a stack of --debug can be read.
  minifyWhitespace: true,
  minifySyntax: true,
  banner: {
    js: "import{createRequire as hopfcoleRequire}from'node:module';const require=hopfcoleRequire(import.meta.url);",
  },
  outdir,
  chunkNames: 'chunks/[name]-[hash]',
  metafile: true,
  logLevel: 'error',
});

const packages = new Set(
  Object.keys(metafile.inputs).flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []),
);
const licences = [...packages].sort().map((name) => {
  const folder = join('node_modules', name);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const text = file !== undefined && existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : '';
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
});
writeFileSync(join(outdir, 'THIRD-PARTY-LICENSES.txt'), licences.join(`\n${'-'.repeat(72)}\n\n`));
