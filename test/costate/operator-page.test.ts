import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { operatorPage } from '../support/operator-page.ts';

const made = operatorPage();
const written = readFileSync(join(import.meta.dirname, '../../docs/operators.md'), 'utf8');
const rows = (page: string) => page.split('\n').filter((line) => line.startsWith('| `'));
const testsOf = (row: string) => (/ \| ([^|]*) \|$/.exec(row)?.[1] ?? '').split(', ').filter((name) => name !== '');

it('docs/operators.md is as the rules are (npm run generate:docs)', () => {
  // Which tests use an operator most may change with every test.
  const steady = (page: string) => page.replaceAll(/^(\| `.*) \| [^|]* \|$/gm, '$1');
  expect(steady(written)).toBe(steady(made));
});

it('names tests that are there', () => {
  const names = new Set(rows(written).flatMap(testsOf));
  expect([...names].filter((name) => !existsSync(join(import.meta.dirname, `${name}.test.ts`)))).toEqual([]);
});

it('every rule is used by a test', () => {
  expect(rows(made).length).toBeGreaterThan(100);
  expect(rows(made).filter((row) => testsOf(row).length === 0)).toEqual([]);
});
