import { scaleLinear, scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
import { axisLabels, fixed, frame, widen, xTicks, yTicks } from './axes.ts';
import { html, type Markup } from './markup.ts';

interface Series {
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

/** Lines over one x axis (linear or logarithmic), with a legend when there are several. */
export function lineChart(chart: LineChart): Markup {
  const log = chart.xLog === true;
  const fits = (x: number) => Number.isFinite(x) && (!log || x > 0);
  const xs = chart.x.filter(fits);
  const ys = chart.series.flatMap((series) => series.values.filter(Number.isFinite));
  if (xs.length === 0 || ys.length === 0) return html`<p class="empty">Nothing finite to draw: ${chart.yLabel}.</p>`;

  const [low, high] = widen([...ys, ...(chart.yRange ?? [])]);
  const bottom = frame.height - frame.bottom;
  const y = scaleLinear([low, high], [bottom, frame.top]).nice(4);
  const [first, last] = widen(xs, log);
  const x = (log ? scaleLog : scaleLinear)([first, last], [frame.left, frame.width - frame.right]);
  const path = line<readonly [number, number]>()
    .defined(([at, value]) => fits(at) && Number.isFinite(value))
    .x(([at]) => x(at))
    .y(([, value]) => y(value))
    .digits(1);
  const lines = chart.series.map((series, at) => {
    const points = chart.x.map((where, i) => [where, series.values[i] ?? Number.NaN] as const);
    return html`<path class="line ink-${at % 6}" d="${path(points) ?? ''}"/>`;
  });
  const { mark } = chart;
  const marked =
    mark !== undefined && mark.x >= first && mark.x <= last
      ? html`<line class="mark" x1="${fixed(x(mark.x))}" x2="${fixed(x(mark.x))}" y1="${frame.top - 5}" y2="${bottom}"/><text class="note middle" x="${fixed(x(mark.x))}" y="${frame.top - 9}">${mark.label}</text>`
      : null;
  return html`<svg class="chart" viewBox="0 0 ${frame.width} ${frame.height}" role="img" aria-label="${chart.alt}">
${yTicks(y.ticks(4), y)}${xTicks(log ? logTicks(first, last) : x.ticks(5), x)}${marked}
${lines}
${axisLabels(chart.xLabel, chart.yLabel)}
</svg>${chart.series.length > 1 ? legend(chart.series.map((series) => series.name)) : null}`;
}

/** The names of series in the order of their colours. */
function legend(names: readonly string[]): Markup {
  return html`<ul class="legend">${names.map((name, at) => html`<li><span class="swatch paint-${at % 6}"></span>${name}</li>`)}</ul>`;
}

/** Ticks of a logarithmic axis: 1, 2 and 5 of each decade while they are few, else every decade or every few. */
export function logTicks(low: number, high: number): number[] {
  const from = Math.floor(Math.log10(low));
  const decades = Math.ceil(Math.log10(high)) - from;
  const steps = decades <= 3 ? [1, 2, 5] : [1];
  const stride = Math.max(1, Math.ceil(decades / 6));
  const ticks: number[] = [];
  for (let decade = 0; decade <= decades; decade += stride) {
    ticks.push(...steps.map((step) => Number(`${step}e${from + decade}`)));
  }
  return ticks.filter((value) => value >= low * 0.999 && value <= high * 1.001);
}
