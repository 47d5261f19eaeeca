import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** Every code thrown anywhere, found in the source text. */
function thrownCodes(): Set<string> {
  const codes = new Set<string>();
  for (const folder of ['src', 'ops', 'exporters'])
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const text = readFileSync(join(root, folder, name), 'utf8');
      for (const match of text.matchAll(/(?:HopfcoleError|problems\.(?:error|info))\(\s*'([A-Z_0-9]+)'/g))
        codes.add(match[1] ?? '');
    }
  return codes;
}

it('lists every error code in docs/errors.md', () => {
  const listed = new Set(
    [...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^\| `([A-Z_0-9]+)`/gm)].map((m) => m[1]),
  );
  expect([...thrownCodes()].filter((code) => !listed.has(code))).toEqual([]);
  expect([...listed]).toEqual([...listed].sort());
});
