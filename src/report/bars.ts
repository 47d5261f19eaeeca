import { scaleLinear } from 'd3-scale';
import { fixed, widen } from './axes.ts';
import { html, type Markup } from './markup.ts';
import { number } from './number.ts';

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What stands at the bar's end; default: the number. */
  readonly text?: string;
  readonly emphasis?: 'strong' | 'warn' | undefined;
}

/** Horizontal bars from zero; a value that is not finite has its text and no bar. Labels take the room they need, up to a third. */
export function barChart(chart: { readonly alt: string; readonly bars: readonly Bar[] }): Markup {
  const row = 23;
  const longest = Math.max(0, ...chart.bars.map((bar) => bar.label.length));
  const start = 12 + Math.min(longest, longestLabel) * 7;
  const finite = chart.bars.map((bar) => bar.value).filter(Number.isFinite);
  const scale = scaleLinear(widen([0, ...finite]), [start, 262]);
  const rows = chart.bars.map((bar, at) => {
    const end = Number.isFinite(bar.value) ? scale(bar.value) : scale(0);
    const left = Math.min(scale(0), end);
    const width = Number.isFinite(bar.value) ? Math.max(Math.abs(end - scale(0)), 1) : 0;
    const top = at * row;
    return html`<g class="bar ${bar.emphasis ?? ''}"><text x="0" y="${top + 15}">${shorten(bar.label)}</text><rect x="${fixed(left)}" y="${top + 4}" width="${fixed(width)}" height="${row - 8}" rx="1.5"/><text class="value" x="${fixed(left + width + 7)}" y="${top + 15.5}">${bar.text ?? number(bar.value)}</text></g>`;
  });
  return html`<svg class="chart bars" viewBox="0 0 340 ${Math.max(1, chart.bars.length) * row}" role="img" aria-label="${chart.alt}">${rows}</svg>`;
}

const longestLabel = 15;

function shorten(label: string): string {
  const characters = [...label];
  return characters.length <= longestLabel ? label : `${characters.slice(0, longestLabel - 1).join('')}…`;
}

/** A share as a thin bar of its own, for tiles. */
export function meter(share: number, kind: 'weight' | 'loss'): Markup {
  const width = Number.isFinite(share) ? Math.min(1, Math.max(0, share)) * 100 : 0;
  return html`<span class="meter ${kind}" aria-hidden="true"><span style="width:${width.toFixed(1)}%"></span></span>`;
}
