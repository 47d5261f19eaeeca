// After tsc: copies what it does not emit (generated .js and .d.ts files) into dist, and removes what sources that are gone left there.
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';

for (const folder of ['src/onnx/generated'])
  if (existsSync(folder))
    cpSync(folder, `dist/${folder}`, {
      recursive: true,
      // What is .ts there (but no declaration) has been compiled by tsc.
      filter: (path) => !/(?<!\.d)\.ts$/.test(path),
    });

for (const path of readdirSync('dist', { recursive: true })) {
  const stem = /^(.*?)(?:\.d\.ts|\.js)$/.exec(path)?.[1];
  if (stem !== undefined && !existsSync(`${stem}.ts`) && !existsSync(path)) rmSync(`dist/${path}`);
}
