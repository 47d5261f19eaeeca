import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { barChart } from '../../src/report/bars.ts';
import { decisionFlow } from '../../src/report/flow.ts';
import { histogram } from '../../src/report/histogram.ts';
import { lineChart, logTicks } from '../../src/report/lines.ts';
import { escapeText, html } from '../../src/report/markup.ts';
import { number, percent, tick } from '../../src/report/number.ts';
import { divergingColour, greyImage, heatMap } from '../../src/report/picture.ts';
import { sample } from './sample.ts';
import { readMarkup } from './wellformed.ts';

/** UTF-16 units in any order: lone surrogates, controls and markup among them. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 0x7f })))
  .map((units) => String.fromCharCode(...units));

describe('markup', () => {
  it('gives back any text that is fit for a page, in content and in attributes', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { tags, text: content } = readMarkup(html`<p title="${text}">${text}</p>`.markup);
        expect(content).toBe(tags[0]?.attributes.get('title'));
        expect(content.length).toBe(text.length);
        const kept = Array.from(text, (_, i) => i).filter((i) => content[i] !== '\ufffd');
        expect(kept.map((i) => content[i])).toEqual(kept.map((i) => text[i]));
      }),
    );
  });

  it('changes nothing but what it must', () => {
    expect(escapeText('Zürich 東京 🙂\n\ta<b>&"\'')).toBe('Zürich 東京 🙂\n\ta&lt;b&gt;&amp;&quot;&#39;');
    expect(escapeText('a\ud800b\u0007\u2066')).toBe('a\ufffdb\ufffd\ufffd');
  });

  it('escapes once, joins lists and leaves out what is not there', () => {
    const inner = html`<b>${'&'}</b>`;
    expect(html`${inner}${[inner, 'x', 3]}${null}${undefined}${false}`.markup).toBe('<b>&amp;</b><b>&amp;</b>x3');
  });
});

describe('numbers', () => {
  it.each([
    [0, '0'],
    [1, '1.00'],
    [0.25, '0.250'],
    [-0.0314159, '−0.0314'],
    [123456, '123456'],
    [1e6, '1.00×10⁶'],
    [4e-6, '4.00×10⁻⁶'],
    [Number.NaN, 'not a number'],
    [Number.POSITIVE_INFINITY, '∞'],
    [Number.NEGATIVE_INFINITY, '−∞'],
  ])('%d is %s', (value, text) => expect(number(value)).toBe(text));

  it('says shares and ticks plainly', () => {
    expect([percent(0.5), percent(0), percent(1e-9), percent(Number.NaN)]).toEqual([
      '50.0 %',
      '0.0 %',
      '< 0.1 %',
      'not a number',
    ]);
    expect([tick(0.1 + 0.2), tick(-5), tick(1e-7)]).toEqual(['0.3', '−5', '1×10⁻⁷']);
  });
});

/** The colour of each unit cell, read back from the paths. */
function cells(markup: string, width: number): Map<number, string> {
  const found = new Map<number, string>();
  for (const { name, attributes } of readMarkup(markup).tags) {
    if (name !== 'path') continue;
    for (const [, x, y, run] of (attributes.get('d') ?? '').matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
      for (let i = 0; i < Number(run); i += 1) {
        const at = Number(y) * width + Number(x) + i;
        expect(found.has(at)).toBe(false);
        found.set(at, attributes.get('fill') ?? '');
      }
    }
  }
  return found;
}

describe('pictures', () => {
  it('paint each pixel exactly once, darker where there is more ink', () => {
    const pixel = fc.oneof(
      fc.double({ min: -10, max: 10, noNaN: true }),
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(pixel, { minLength: 1, maxLength: 60 }), (width, values) => {
        const height = Math.ceil(values.length / width);
        const seen = cells(greyImage({ width, height, values, range: [-10, 10] }, 'x').markup, width);
        expect(seen.size).toBe(width * height);
        const ink = (at: number) => Number.parseInt((seen.get(at) ?? '').slice(1, 3), 16);
        values.forEach((a, i) => {
          if (!Number.isFinite(a)) expect(seen.get(i)).toBe('#d33cb8');
          values.forEach((b, j) => {
            if (Number.isFinite(a) && a > b) expect(ink(i)).toBeLessThanOrEqual(ink(j));
          });
        });
      }),
    );
  });

  it('shows signs as blue and orange, symmetric about white', () => {
    const seen = cells(heatMap({ width: 3, height: 1, values: [-2, 0, 1] }, 'x').markup, 3);
    expect([...Array(3).keys()].map((at) => seen.get(at))).toEqual([
      divergingColour(-1),
      '#f7f7f7',
      divergingColour(0.5),
    ]);
    expect(divergingColour(-1)).toBe('#105299');
    expect(divergingColour(1)).toBe('#be5405');
  });
});

describe('charts', () => {
  const path = (markup: string) =>
    readMarkup(markup)
      .tags.find(({ attributes }) => attributes.get('class')?.startsWith('line ink'))
      ?.attributes.get('d') ?? '';
  const chart = { alt: 'x', xLabel: 'x', yLabel: 'y' };

  it('put equal ratios at equal distances on a logarithmic axis', () => {
    const drawn = path(
      lineChart({ ...chart, x: [0.01, 0.1, 1, 10], xLog: true, series: [{ name: 'a', values: [0, 1, 2, 3] }] }).markup,
    );
    const points = [...drawn.matchAll(/([\d.]+),([\d.]+)/g)].map((m) => [Number(m[1]), Number(m[2])] as const);
    expect(points).toHaveLength(4);
    const gaps = points.slice(1).map(([x, y], i) => [x - (points[i]?.[0] ?? 0), (points[i]?.[1] ?? 0) - y]);
    for (const [dx, dy] of gaps) {
      expect(dx).toBeCloseTo(gaps[0]?.[0] ?? 0, 0);
      expect(dy).toBeCloseTo(gaps[0]?.[1] ?? 0, 0);
      expect(dy).toBeGreaterThan(10);
    }
  });

  it('leave a gap at what is not finite, and drop x that a logarithm cannot take', () => {
    const drawn = path(
      lineChart({
        ...chart,
        x: [-1, 0, 1, 2, 3, 4],
        xLog: true,
        series: [{ name: 'a', values: [0, 0, 1, Number.NaN, 2, 3] }],
      }).markup,
    );
    expect(drawn.match(/M/g)).toHaveLength(2);
    expect(drawn).not.toMatch(/NaN|Infinity/);
  });

  it('say so when there is nothing to draw', () => {
    expect(lineChart({ ...chart, x: [Number.NaN], series: [] }).markup).toContain('Nothing finite');
    expect(histogram({ ...chart, values: [Number.NaN] }).markup).toContain('Nothing finite');
    expect(histogram({ ...chart, values: [Number.NaN, 1] }).markup).toContain('1 of 2 values are not finite');
  });

  it('tick logarithmic axes at 1, 2, 5 or at decades, and never too often', () => {
    expect(logTicks(0.1, 2)).toEqual([0.1, 0.2, 0.5, 1, 2]);
    expect(logTicks(1e-3, 1e3)).toEqual([0.001, 0.01, 0.1, 1, 10, 100, 1000]);
    fc.assert(
      fc.property(
        fc.double({ min: -300, max: 300, noNaN: true }),
        fc.double({ min: 0.01, max: 300, noNaN: true }),
        (from, span) => {
          const ticks = logTicks(10 ** from, 10 ** Math.min(from + span, 307));
          expect(ticks.length).toBeLessThanOrEqual(12);
        },
      ),
    );
  });

  it('count every value once in a histogram', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 80 }), (values) => {
        const { markup } = histogram({ ...chart, values, bins: 7 });
        const { tags } = readMarkup(markup);
        const columns = tags.filter(({ attributes }) => attributes.get('class') === 'column');
        const heights = columns.map(({ attributes }) => Number(attributes.get('height')));
        const ticks = [
          ...markup.matchAll(/<line x1="44" x2="326" y1="([\d.]+)"[^>]*\/><text class="end"[^>]*>(\d+)</g),
        ];
        const [zero, top] = [ticks[0], ticks.at(-1)];
        const unit = (Number(zero?.[1]) - Number(top?.[1])) / Number(top?.[2]);
        expect(columns).toHaveLength(7);
        expect(heights.reduce((a, b) => a + b, 0) / unit).toBeCloseTo(values.length, 0);
      }),
      { numRuns: 40 },
    );
  });

  it('draw bars from zero, to the left for what is negative', () => {
    const { tags } = readMarkup(
      barChart({
        alt: 'x',
        bars: [
          { label: 'a', value: -1 },
          { label: 'b', value: 3 },
          { label: 'c', value: Number.NaN },
        ],
      }).markup,
    );
    const [a, b, c] = tags
      .filter(({ name }) => name === 'rect')
      .map(({ attributes }) => [Number(attributes.get('x')), Number(attributes.get('width'))] as const);
    expect((b?.[1] ?? 0) / (a?.[1] ?? 1)).toBeCloseTo(3, 1);
    expect((a?.[0] ?? 0) + (a?.[1] ?? 0)).toBeCloseTo(b?.[0] ?? 0, 0);
    expect(c?.[1]).toBe(0);
  });
});

describe('the header picture', () => {
  it('fills the bar in proportion to the weights', () => {
    const [item] = sample().cases;
    if (item === undefined) throw new Error('no case');
    const { tags } = readMarkup(decisionFlow(item).markup);
    const bars = tags.filter(
      ({ attributes }) => attributes.get('class') === 'goal' && attributes.get('height') === '12',
    );
    const widths = bars.map(({ attributes }) => Number(attributes.get('width')) + 1);
    expect(widths.slice(0, 3).map((width) => width / 620)).toEqual([
      expect.closeTo(0.5, 2),
      expect.closeTo(0.3, 2),
      expect.closeTo(0.1, 2),
    ]);
    expect(widths).toHaveLength(6);
  });
});
