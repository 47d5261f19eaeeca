import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Architecture, architectures } from '../../src/layers/reading.ts';
import { architecturePage } from '../support/architecture-page.ts';
import { pictures } from '../support/architecture-pictures.ts';

const root = join(import.meta.dirname, '../..');
const made = architecturePage();

describe('docs/architectures.md', () => {
  it('and its pictures are as the table is (npm run generate:docs)', () => {
    for (const [file, text] of Object.entries(made)) expect(readFileSync(join(root, file), 'utf8'), file).toBe(text);
    const drawn = Object.keys(made).filter((file) => file.endsWith('.svg'));
    expect(readdirSync(join(root, 'docs/architectures')).sort()).toEqual(
      drawn.map((file) => file.slice('docs/architectures/'.length)).sort(),
    );
  });

  it('has every row with a picture', () => {
    expect(Object.keys(architectures).filter((kind) => !Object.hasOwn(pictures, kind))).toEqual([]);
  });

  it('names files that are there', () => {
    const page = made['docs/architectures.md'] ?? '';
    const links = [...page.matchAll(/\]\(([^)#]+)\)/g)].map((match) => join('docs', match[1] ?? ''));
    expect(links.length).toBeGreaterThan(40);
    expect([...new Set(links)].filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  it('claims no more than the theory: what is exact has a solution, what is open has none', () => {
    const statusOf = (kind: keyof typeof architectures) => (architectures[kind] as Architecture).status;
    for (const kind of ['activation', 'feed-forward'] as const) expect(statusOf(kind)).toBe('open');
    for (const kind of ['residual', 'leapfrog', 'rnn', 'gru', 'lstm'] as const)
      expect(statusOf(kind)).toBe('structural');
    for (const kind of ['lse', 'softmax-head', 'softplus', 'relu', 'max', 'attention', 'hopfield'] as const)
      expect(statusOf(kind)).toBe('exact');
  });
});
