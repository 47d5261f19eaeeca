import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HopfcoleError } from '../../files/error.ts';
import { packageRoot } from '../../files/node/package-root.ts';

/**
 * The compiled file that a worker or a child starts from. Node runs no TypeScript there, so sources (as in the tests) use what was built.
 * @throws NOT_BUILT.
 */
export function compiledEntry(name: 'child-main' | 'worker-main'): string {
  const fromSource = import.meta.url.endsWith('.ts');
  const path = join(packageRoot(), 'dist/src/runtime/node', `${name}.js`);
  if (!existsSync(path))
    throw new HopfcoleError(
      'NOT_BUILT',
      `expected the compiled file ${name}.js, found none`,
      { file: path },
      fromSource ? 'Run npm run build first' : 'Install hopfcole again',
    );
  return path;
}
