// Copies what tsc does not emit (generated .js and .d.ts files, assets) into dist.
import { cpSync, existsSync } from 'node:fs';

for (const folder of ['src/onnx/generated'])
  if (existsSync(folder))
    cpSync(folder, `dist/${folder}`, {
      recursive: true,
      // What is .ts there (but no declaration) has been compiled by tsc.
      filter: (path) => !/(?<!\.d)\.ts$/.test(path),
    });
