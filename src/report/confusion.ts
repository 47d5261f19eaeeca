import { fixed } from './axes.ts';
import { html, type Markup } from './markup.ts';
import { tick } from './number.ts';

/** Rows: the true class; columns: the decision. The shade is the share of the row. */
export function confusionMatrix(chart: {
  readonly alt: string;
  readonly labels: readonly string[];
  readonly counts: readonly (readonly number[])[];
}): Markup {
  const count = chart.labels.length;
  const cell = 300 / Math.max(count, 1);
  const totals = chart.counts.map((row) => row.reduce((sum, value) => sum + value, 0));
  const cells = chart.counts.flatMap((row, y) =>
    row.map((value, x) => {
      const share = value / ((totals[y] ?? 0) || 1);
      const kind = value === 0 ? 'none' : x === y ? 'right' : 'wrong';
      const [left, top] = [34 + x * cell, 20 + y * cell];
      const shade = x === y ? 0.25 + 0.75 * share : 0.35 + 4 * share;
      const opacity = value === 0 || !Number.isFinite(shade) ? 1 : Math.min(1, Math.max(0, shade));
      return html`<g class="cell ${kind}"><rect x="${fixed(left + 1)}" y="${fixed(top + 1)}" width="${fixed(cell - 2)}" height="${fixed(cell - 2)}" rx="2" fill-opacity="${opacity.toFixed(2)}"/>${value === 0 ? null : html`<text x="${fixed(left + cell / 2)}" y="${fixed(top + cell / 2 + 4)}">${tick(value)}</text>`}</g>`;
    }),
  );
  const names = chart.labels.map((label, at) => {
    const middle = 20 + (at + 0.5) * cell + 4;
    return html`<text class="end" x="28" y="${fixed(middle)}">${label}</text><text class="middle" x="${fixed(34 + (at + 0.5) * cell)}" y="14">${label}</text>`;
  });
  return html`<svg class="chart matrix" viewBox="0 0 340 326" role="img" aria-label="${chart.alt}">${names}${cells}</svg>`;
}
