import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { families } from '../../src/torch/aten/table.ts';
import { atenPage } from '../support/aten-page.ts';

it('docs/aten.md is that of the table', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/aten.md'), 'utf8');
  expect(page, 'run npm run generate:docs').toBe(atenPage());
});

it('every family names a test that is there', () => {
  const missing = families.filter(({ test }) => !existsSync(join(import.meta.dirname, `aten/${test}.test.ts`)));
  expect(missing.map(({ name, test }) => `${name}: ${test}`)).toEqual([]);
});

it('no operator has two rules', () => {
  const homes = new Map<string, string[]>();
  for (const { name, rules = {}, views = {}, higherOrder = {} } of families)
    for (const target of [rules, views, higherOrder].flatMap((part) => Object.keys(part)))
      homes.set(target, [...(homes.get(target) ?? []), name]);
  expect([...homes].filter(([, names]) => names.length > 1)).toEqual([]);
});
