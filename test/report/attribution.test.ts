import { describe, expect, it } from 'vitest';
import { attributionReport } from '../../src/report/attribution.ts';
import { pooled } from '../../src/report/picture.ts';
import { rankTable, shortLabel } from '../../src/report/ranks.ts';
import { attributionSample } from './attribution-sample.ts';
import { readMarkup } from './wellformed.ts';

const hostile = `</style><script>alert(1)</script><img src=x onerror="alert('2')">&amp;"' \u202e\u0000`;
const body = (report: string) => readMarkup(report.replace(/<style>[^<]*<\/style>/, '<style></style>'));

const shapes = {
  'a single layer': {},
  'a bank with pictures': { heads: 12, pictures: true },
  'a bank without pictures': { heads: 3 },
  'a single layer with pictures': { pictures: true },
  'a softmax head': { kind: 'softmax-head' as const },
  'one atom': { atoms: 1, kept: 1 },
  'no query': { queries: 0 },
  'one query': { queries: 1 },
  'no atom kept': { kept: 0 },
};

describe.each(Object.entries(shapes))('the attribution page of %s', (_name, shape) => {
  it('is well-formed, described, and its links lead somewhere', () => {
    const { tags } = body(attributionReport(attributionSample(shape)));
    const unnamed = tags.filter(
      ({ name, attributes }) =>
        name === 'svg' && !attributes.has('aria-label') && attributes.get('aria-hidden') !== 'true',
    );
    expect(unnamed).toEqual([]);
    const ids = tags.flatMap(({ attributes }) => attributes.get('id') ?? []);
    const links = tags.flatMap(({ attributes }) => attributes.get('href') ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    expect(links.length).toBe(ids.length);
    expect(links.filter((link) => !ids.includes(link.slice(1)))).toEqual([]);
  });

  it('keeps hostile names names, asks for nothing and runs nothing', () => {
    const plain = new Set(body(attributionReport(attributionSample(shape))).tags.map((tag) => tag.name));
    const report = attributionReport(attributionSample(shape, hostile));
    const { tags, text } = body(report);
    expect(tags.filter((tag) => !plain.has(tag.name))).toEqual([]);
    expect(tags.some(({ attributes }) => [...attributes.keys()].some((key) => /^(on|src)/.test(key)))).toBe(false);
    expect(text).toContain('<script>alert(1)</script>');
    expect(report).not.toMatch(/https?:|url\(|@import|<script|<link|\u202e|\0/);
    expect(report).toContain("default-src 'none'");
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -1, 1e300, -1e300, 5e-324])(
    'draws every number being %d',
    (value) => {
      const report = attributionReport(attributionSample(shape, 'label', value));
      const { tags } = body(report);
      const drawn = tags.flatMap(({ attributes }) =>
        [...attributes].filter(([key]) => key !== 'aria-label').map(([, v]) => v),
      );
      expect(drawn.filter((v) => /NaN|Infinity|undefined|null/.test(v))).toEqual([]);
      expect(report).not.toMatch(/undefined|\[object/);
    },
  );

  it('is the same text for the same data', () => {
    expect(attributionReport(attributionSample(shape))).toBe(
      attributionReport(structuredClone(attributionSample(shape))),
    );
  });

  it('stays small when a label is large', () => {
    const report = attributionReport(attributionSample(shape, '€'.repeat(100_000)));
    expect(report.length).toBeLessThan(100_000);
  });
});

describe('the attribution page', () => {
  const text = (...given: Parameters<typeof attributionSample>) =>
    body(attributionReport(attributionSample(...given))).text.replace(/\s+/g, ' ');

  it('says what the site is, and no more than is known of it', () => {
    expect(text()).toContain('Kindlog-sum-exp layer');
    expect(text({ heads: 3 })).toContain('Kindbank of log-sum-exp units');
    expect(text({ heads: 3 })).toContain('Per query the unit (head) with the largest value f is shown.');
    expect(text({ kind: 'softmax-head' })).toContain('the atoms are the unit vectors');
    expect(text({ kind: 'softmax-head' })).not.toContain('influence of training data');
    const unknown = attributionSample();
    const site = { ...unknown.site, atoms: null, dim: null, viscosity: null };
    expect(body(attributionReport({ ...unknown, site })).text).toContain('not stated');
  });

  it('gives pi, leave-one-out and what the other atoms carry', () => {
    const page = text();
    expect(page).toContain('The heaviest atom, label atom 0, has a weight of 60.0 %.');
    expect(page).toContain('60.0 %−0.458');
    expect(page).toContain('The other 3 atoms together carry 5.0 %.');
  });

  it('counts the queries it does not show', () => {
    expect(text()).toContain('3 more queries are counted');
    expect(text({ rows: 4 })).toContain('1 more query is counted');
    expect(text({ rows: 5 })).not.toContain('more queries');
  });

  it('says when the temperature is not that of the site', () => {
    expect(text()).not.toContain('Temperature asked for');
    expect(body(attributionReport({ ...attributionSample(), epsilon: 2 })).text).toContain('Temperature asked for');
  });

  it('gives no atoms for a value that is not finite, and says so', () => {
    const page = text({ heads: 3 }, 'label', Number.NaN);
    expect(page).toContain('its value is not finite');
    expect(page).toContain('None of them is a number');
    expect(page).not.toContain('The atoms that decided');
  });

  it('says that a batch is empty', () => {
    expect(text({ queries: 0 })).toContain('there is nothing to attribute');
  });
});

describe('parts of the page', () => {
  it('average pictures over blocks, over what is finite, to at most so many cells a side', () => {
    const values = [1, 2, 3, 4, 5, 6, 7, 8, Number.NaN, 10, 11, 12, 13, 14, 15];
    const small = pooled({ width: 5, height: 3, values }, 3);
    expect([small.width, small.height]).toEqual([3, 2]);
    expect(Array.from(small.values)).toEqual([(1 + 2 + 6 + 7) / 4, (3 + 4 + 8) / 3, (5 + 10) / 2, 11.5, 13.5, 15]);
    const same = { width: 2, height: 2, values: [1, 2, 3, 4] };
    expect(pooled(same, 2)).toBe(same);
  });

  it('cut labels between characters', () => {
    expect(shortLabel('abc', 3)).toBe('abc');
    expect(shortLabel('abcd', 3)).toBe('ab…');
    expect(shortLabel('🙂🙂🙂', 3)).toBe('🙂🙂🙂');
    expect(shortLabel('🙂🙂🙂🙂', 3)).toBe('🙂🙂…');
  });

  it('draw the bars of a list in proportion', () => {
    const measures = (share: number) => [{ text: 'x', share, kind: 'weight' as const }];
    const { tags } = readMarkup(
      rankTable(
        ['a', 'b'],
        [0.25, 1, -1, Number.NaN, 7].map((share) => ({ label: 'l', measures: measures(share) })),
      ).markup,
    );
    const widths = tags.flatMap(({ attributes }) => attributes.get('style') ?? []);
    expect(widths).toEqual(['width:25.0%', 'width:100.0%', 'width:0.0%', 'width:0.0%', 'width:100.0%']);
  });
});
