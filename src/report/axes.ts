import { html, type Markup } from './markup.ts';
import { tick } from './number.ts';

/** The frame of every chart: 340 units wide, so that its text is readable on a phone. */
export const frame = { width: 340, height: 206, left: 44, right: 14, top: 34, bottom: 36 };

/** The least and the greatest of some finite values, moved apart where they are equal. */
export function widen(values: readonly number[], log = false): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  if (high > low) return [low, high];
  if (log) return [low / 2 || low, Math.min(high * 2, Number.MAX_VALUE)];
  const by = Math.abs(low) * 0.05 || 1;
  return [low - by, high + by];
}

/** A coordinate with one decimal place. */
export function fixed(value: number): string {
  return value.toFixed(1);
}

/** Horizontal lines with their values at the left. */
export function yTicks(values: readonly number[], at: (value: number) => number): Markup {
  return html`${values.map((value) => html`<g class="tick"><line x1="${frame.left}" x2="${frame.width - frame.right}" y1="${fixed(at(value))}" y2="${fixed(at(value))}"/><text class="end" x="${frame.left - 6}" y="${fixed(at(value) + 4)}">${tick(value)}</text></g>`)}`;
}

/** The bottom axis with small strokes and values. */
export function xTicks(values: readonly number[], at: (value: number) => number): Markup {
  const bottom = frame.height - frame.bottom;
  return html`${values.map((value) => html`<g class="tick"><line x1="${fixed(at(value))}" x2="${fixed(at(value))}" y1="${bottom}" y2="${bottom + 4}"/><text class="middle" x="${fixed(at(value))}" y="${bottom + 17}">${tick(value)}</text></g>`)}<line class="axis" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${bottom}" y2="${bottom}"/>`;
}

/** What is on the axes. */
export function axisLabels(x: string, y: string): Markup {
  return html`<text class="label" x="2" y="14">${y}</text><text class="label middle" x="${(frame.left + frame.width - frame.right) / 2}" y="${frame.height - 3}">${x}</text>`;
}
