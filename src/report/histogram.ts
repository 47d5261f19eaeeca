import { scaleLinear } from 'd3-scale';
import { axisLabels, fixed, frame, widen, xTicks, yTicks } from './axes.ts';
import { html, type Markup } from './markup.ts';

export interface Histogram {
  readonly alt: string;
  readonly values: readonly number[];
  readonly bins?: number;
  readonly xLabel: string;
  readonly yLabel: string;
}

/** Counts of values in equal bins between the least and the greatest finite one; how many are not finite is said in words. */
export function histogram(chart: Histogram): Markup {
  const bins = Math.max(1, chart.bins ?? 16);
  const finite = chart.values.filter(Number.isFinite);
  if (finite.length === 0) return html`<p class="empty">Nothing finite to draw: ${chart.xLabel}.</p>`;
  const x = scaleLinear(widen(finite), [frame.left, frame.width - frame.right]).nice(bins);
  const [from = 0, to = 1] = x.domain();
  const counts = new Array<number>(bins).fill(0);
  for (const value of finite) {
    const bin = Math.min(bins - 1, Math.floor(((value - from) / (to - from)) * bins));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const bottom = frame.height - frame.bottom;
  const y = scaleLinear([0, Math.max(...counts)], [bottom, frame.top]).nice(4);
  const step = (frame.width - frame.right - frame.left) / bins;
  const columns = counts.map(
    (count, at) =>
      html`<rect class="column" x="${fixed(frame.left + at * step + 0.75)}" y="${fixed(y(count))}" width="${fixed(step - 1.5)}" height="${fixed(bottom - y(count))}"/>`,
  );
  const missing = chart.values.length - finite.length;
  return html`<svg class="chart" viewBox="0 0 ${frame.width} ${frame.height}" role="img" aria-label="${chart.alt}">
${yTicks(y.ticks(4).filter(Number.isInteger), y)}${columns}${xTicks(x.ticks(6), x)}${axisLabels(chart.xLabel, chart.yLabel)}
</svg>${missing > 0 ? html`<p class="empty">${missing} of ${chart.values.length} values are not finite.</p>` : null}`;
}
