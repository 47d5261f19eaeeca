import { scaleLinear, scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
import { html, type Markup } from './markup.ts';
import { number, percent, tick } from './number.ts';

export interface Series {
  readonly name: string;
  /** One value per x; what is not finite leaves a gap. */
  readonly values: readonly number[];
}

export interface LineChart {
  readonly alt: string;
  readonly x: readonly number[];
  readonly xLabel: string;
  readonly xLog?: boolean;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** The y axis goes at least from here to there. */
  readonly yRange?: readonly [number, number];
  /** A vertical mark, such as the epsilon of training. */
  readonly mark?: { readonly x: number; readonly label: string } | undefined;
}

const size = { width: 340, height: 210, left: 44, right: 14, top: 30, bottom: 40 };

/** Lines over one x axis (linear or logarithmic), with a key when there are several. 340 units wide: text is readable on a phone. */
export function lineChart(chart: LineChart): Markup {
  const xs = chart.x.filter((x) => Number.isFinite(x) && (chart.xLog !== true || x > 0));
  const ys = chart.series.flatMap((series) => series.values.filter(Number.isFinite));
  if (xs.length === 0 || ys.length === 0) return html`<p class="empty">Nothing finite to draw: ${chart.yLabel}.</p>`;
  const bounds = [...ys, ...(chart.yRange ?? [])];
  const [low, high] = widen(Math.min(...bounds), Math.max(...bounds));
  const y = scaleLinear([low, high], [size.height - size.bottom, size.top]).nice(4);
  const [first, last] = widen(Math.min(...xs), Math.max(...xs), chart.xLog === true);
  const domain = chart.xLog === true ? scaleLog : scaleLinear;
  const x = domain([first, last], [size.left, size.width - size.right]);
  const xTicks = chart.xLog === true ? logTicks(first, last) : x.ticks(5);
  const draw = line<readonly [number, number]>()
    .defined(([at, value]) => Number.isFinite(x(at)) && Number.isFinite(value))
    .x(([at]) => x(at))
    .y(([, value]) => y(value))
    .digits(1);
  const lines = chart.series.map((series, at) => {
    const points = chart.x.map((where, i) => [where, series.values[i] ?? Number.NaN] as const);
    return html`<path class="line ink-${at % 6}" d="${draw(points) ?? ''}"/>`;
  });
  const bottom = size.height - size.bottom;
  const mark = chart.mark;
  const marked = mark !== undefined && mark.x >= first && mark.x <= last ? x(mark.x) : undefined;
  return html`<svg class="chart" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${chart.alt}">
${y.ticks(4).map((value) => html`<g class="tick"><line x1="${size.left}" x2="${size.width - size.right}" y1="${fixed(y(value))}" y2="${fixed(y(value))}"/><text class="end" x="${size.left - 6}" y="${fixed(y(value) + 4)}">${tick(value)}</text></g>`)}
${xTicks.map((value) => html`<g class="tick"><line x1="${fixed(x(value))}" x2="${fixed(x(value))}" y1="${bottom}" y2="${bottom + 4}"/><text class="middle" x="${fixed(x(value))}" y="${bottom + 17}">${tick(value)}</text></g>`)}
<line class="axis" x1="${size.left}" x2="${size.width - size.right}" y1="${bottom}" y2="${bottom}"/>
${marked === undefined ? null : html`<line class="mark" x1="${fixed(marked)}" x2="${fixed(marked)}" y1="${size.top - 4}" y2="${bottom}"/><text class="note ${marked > size.width / 2 ? 'end' : ''}" x="${fixed(marked + (marked > size.width / 2 ? -5 : 5))}" y="${size.top + 4}">${mark?.label}</text>`}
${lines}
<text class="label" x="2" y="14">${chart.yLabel}</text>
<text class="label end" x="${size.width - size.right}" y="${size.height - 4}">${chart.xLabel}</text>
</svg>${chart.series.length > 1 ? legend(chart.series.map((series) => series.name)) : null}`;
}

/** The names of series in the order of their colours. */
export function legend(names: readonly string[]): Markup {
  return html`<ul class="legend">${names.map((name, at) => html`<li><span class="swatch paint-${at % 6}"></span>${name}</li>`)}</ul>`;
}

/** Ticks of a logarithmic axis: 1, 2 and 5 of each decade while they are few, else decades. */
function logTicks(low: number, high: number): number[] {
  const from = Math.floor(Math.log10(low));
  const decades = Math.ceil(Math.log10(high)) - from;
  if (decades > 60) return [low, high];
  const steps = decades <= 2 ? [1, 2, 5] : [1];
  const stride = Math.ceil(decades / 6);
  const all = Array.from({ length: decades + 1 }, (_, i) => i)
    .filter((i) => i % stride === 0)
    .flatMap((i) => steps.map((step) => Number(`${step}e${from + i}`)));
  return all.filter((value) => value >= low * 0.999 && value <= high * 1.001);
}

function widen(low: number, high: number, log = false): [number, number] {
  if (high > low) return [low, high];
  if (log) return [low / 2, high * 2];
  const by = Math.abs(low) * 0.05 || 1;
  return [low - by, high + by];
}

function fixed(value: number): string {
  return value.toFixed(1);
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What stands at the bar's end; default: the number. */
  readonly text?: string;
  readonly emphasis?: 'strong' | 'warn' | undefined;
}

/** Horizontal bars from the least of (0 or `from`); a value that is not finite has its text and no bar. */
export function barChart(chart: {
  readonly alt: string;
  readonly bars: readonly Bar[];
  readonly from?: number;
}): Markup {
  const row = 23;
  const finite = chart.bars.map((bar) => bar.value).filter(Number.isFinite);
  const zero = chart.from ?? 0;
  const scale = scaleLinear(widen(Math.min(zero, ...finite), Math.max(zero, ...finite)), [26, 262]);
  const rows = chart.bars.map((bar, at) => {
    const [a, b] = Number.isFinite(bar.value) ? [scale(zero), scale(bar.value)] : [scale(zero), scale(zero)];
    const left = Math.min(a, b);
    const width = Math.max(Math.abs(b - a), 1);
    const top = at * row;
    return html`<g class="bar ${bar.emphasis ?? ''}"><text x="0" y="${top + 15}">${bar.label}</text><rect x="${fixed(left)}" y="${top + 4}" width="${fixed(width)}" height="${row - 8}" rx="1.5"/><text class="value" x="${fixed(left + width + 7)}" y="${top + 15.5}">${bar.text ?? number(bar.value)}</text></g>`;
  });
  return html`<svg class="chart bars" viewBox="0 0 340 ${Math.max(1, chart.bars.length) * row}" role="img" aria-label="${chart.alt}">${rows}</svg>`;
}

/** Counts of values in equal bins between the least and the greatest finite one; the rest is said in words. */
export function histogram(chart: {
  readonly alt: string;
  readonly values: readonly number[];
  readonly bins?: number;
  readonly xLabel: string;
  readonly yLabel: string;
}): Markup {
  const finite = chart.values.filter(Number.isFinite);
  if (finite.length === 0) return html`<p class="empty">Nothing finite to draw: ${chart.xLabel}.</p>`;
  const [low, high] = widen(
    finite.reduce((a, b) => Math.min(a, b)),
    finite.reduce((a, b) => Math.max(a, b)),
  );
  const x = scaleLinear([low, high], [size.left, size.width - size.right]).nice(chart.bins ?? 16);
  const [from = low, to = high] = x.domain();
  const bins = Math.max(1, chart.bins ?? 16);
  const counts = new Array<number>(bins).fill(0);
  for (const value of finite) {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(((value - from) / (to - from)) * bins)));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const y = scaleLinear([0, Math.max(...counts)], [size.height - size.bottom, size.top]).nice(4);
  const bottom = size.height - size.bottom;
  const step = (size.width - size.right - size.left) / bins;
  const left = chart.values.length - finite.length;
  return html`<svg class="chart" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${chart.alt}">
${y.ticks(4).map((value) => html`<g class="tick"><line x1="${size.left}" x2="${size.width - size.right}" y1="${fixed(y(value))}" y2="${fixed(y(value))}"/><text class="end" x="${size.left - 6}" y="${fixed(y(value) + 4)}">${tick(value)}</text></g>`)}
${counts.map((count, at) => html`<rect class="column" x="${fixed(size.left + at * step + 0.75)}" y="${fixed(y(count))}" width="${fixed(step - 1.5)}" height="${fixed(bottom - y(count))}"/>`)}
${x.ticks(6).map((value) => html`<g class="tick"><text class="middle" x="${fixed(x(value))}" y="${bottom + 17}">${tick(value)}</text></g>`)}
<line class="axis" x1="${size.left}" x2="${size.width - size.right}" y1="${bottom}" y2="${bottom}"/>
<text class="label" x="2" y="14">${chart.yLabel}</text><text class="label end" x="${size.width - size.right}" y="${size.height - 4}">${chart.xLabel}</text>
</svg>${left > 0 ? html`<p class="empty">${left} of ${chart.values.length} values are not finite.</p>` : null}`;
}

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
      const opacity = fixed(value === 0 ? 1 : x === y ? 0.25 + 0.75 * share : Math.min(1, 0.35 + 4 * share));
      return html`<g class="cell ${kind}"><rect x="${fixed(left + 1)}" y="${fixed(top + 1)}" width="${fixed(cell - 2)}" height="${fixed(cell - 2)}" rx="2" fill-opacity="${opacity}"/>${value === 0 ? null : html`<text x="${fixed(left + cell / 2)}" y="${fixed(top + cell / 2 + 4)}">${value}</text>`}</g>`;
    }),
  );
  const names = chart.labels.map((label, at) => {
    const middle = 20 + (at + 0.5) * cell + 4;
    return html`<text class="end" x="28" y="${fixed(middle)}">${label}</text><text class="middle" x="${fixed(34 + (at + 0.5) * cell)}" y="14">${label}</text>`;
  });
  return html`<svg class="chart matrix" viewBox="0 0 340 326" role="img" aria-label="${chart.alt}">${names}${cells}</svg>`;
}

/** A share as a thin bar of its own, for tiles. */
export function meter(share: number, kind: 'weight' | 'loss'): Markup {
  const width = Number.isFinite(share) ? Math.min(1, Math.max(0, share)) * 100 : 0;
  return html`<span class="meter ${kind}" aria-hidden="true"><span style="width:${width.toFixed(1)}%"></span></span>`;
}

/** A share of a whole as words: used beside meters, so that nothing is said by a picture alone. */
export function share(value: number): string {
  return percent(value);
}
