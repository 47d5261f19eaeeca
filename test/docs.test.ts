import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { operators } from '../ops/table.ts';
import { commands } from '../src/cli/commands.ts';

const root = resolve(import.meta.dirname, '..');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/architecture.md',
  'docs/architectures.md',
  'docs/checkpoints.md',
  'docs/cli.md',
  'docs/layers.md',
  'docs/library.md',
  'docs/custom-operators.md',
  'docs/operators.md',
  'docs/theory.md',
];
const text = (page: string) => readFileSync(join(root, page), 'utf8');

describe('the documentation', () => {
  it.each(pages)('%s links to files that exist', (page) => {
    const links = [...text(page).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '');
    const local = links.filter((link) => !/^[a-z]+:/.test(link));
    expect(local.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
  });

  it('tells every custom operator', () => {
    const missing = operators.filter(({ name }) => !text('docs/custom-operators.md').includes(`| \`${name}\` |`));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it.each(['README.md', 'docs/cli.md'])('%s tells every command', (page) => {
    const missing = commands
      .map(({ usage }) => usage.split(' ')[0] ?? '')
      .filter((name) => !new RegExp(`\`[^\`]*\\b${name}\\b`).test(text(page)));
    expect(missing).toEqual([]);
  });
});
