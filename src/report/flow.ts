import type { DigitsCase } from './digits-data.ts';
import { html, type Markup } from './markup.ts';
import { percent } from './number.ts';
import { figure } from './page.ts';
import { greyPixels, type Picture } from './picture.ts';

interface Layout {
  readonly kind: 'wide' | 'tall';
  readonly width: number;
  readonly height: number;
  readonly query: Box;
  readonly goal: Box;
  /** The row of atoms, and below it the bar that their weights fill. */
  readonly row: { readonly x: number; readonly y: number; readonly width: number; readonly atoms: number };
  readonly barY: number;
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly size: number;
}

const wide: Layout = {
  kind: 'wide',
  width: 980,
  height: 262,
  query: { x: 1, y: 52, size: 160 },
  goal: { x: 859, y: 72, size: 120 },
  row: { x: 200, y: 24, width: 620, atoms: 10 },
  barY: 208,
};

const tall: Layout = {
  kind: 'tall',
  width: 340,
  height: 396,
  query: { x: 41, y: 22, size: 110 },
  goal: { x: 189, y: 22, size: 110 },
  row: { x: 1, y: 182, width: 338, atoms: 6 },
  barY: 330,
};

/** The header picture: the query, the atoms that decided, and ribbons that fill the bar of total weight 1 in proportion to pi. */
export function decisionFlow(item: DigitsCase): Markup {
  const drawings = html`<div class="wide">${draw(item, wide)}</div><div class="tall">${draw(item, tall)}</div>`;
  return html`<div class="hero">${figure(
    drawings,
    html`<strong>${item.title}.</strong> Each ribbon ends as wide as the share of the decision that its training image carries; with the other atoms they fill the bar.`,
  )}</div>`;
}

function draw(item: DigitsCase, layout: Layout): Markup {
  const { row, barY } = layout;
  const shown = item.atoms.slice(0, row.atoms);
  const step = row.width / Math.max(1, shown.length);
  const tile = Math.min(54, step - 8);
  const foot = row.y + tile + 6;
  let filled = 0;
  const parts = shown.map((atom, at) => {
    const weight = Number.isFinite(atom.weight) ? Math.max(0, atom.weight) : 0;
    const from = row.x + filled * row.width;
    filled += weight;
    const to = Math.min(row.x + filled * row.width, row.x + row.width);
    const middle = row.x + (at + 0.5) * step;
    const half = Math.min(tile, weight * row.width) / 2;
    const bend = (foot + barY) / 2;
    const [a, b, c, d] = [middle - half, middle + half, to, from].map((value) => value.toFixed(1));
    const ribbon = `M${a} ${foot}C${a} ${bend} ${d} ${bend} ${d} ${barY}H${c}C${c} ${bend} ${b} ${bend} ${b} ${foot}z`;
    return html`<path class="ribbon" d="${ribbon}"/><rect class="goal" x="${d}" y="${barY}" width="${Math.max(0.5, to - from - 1).toFixed(1)}" height="12"/>${placed(atom.image, { x: middle - tile / 2, y: row.y, size: tile })}<text x="${middle.toFixed(1)}" y="${row.y - 8}" text-anchor="middle">${percent(atom.weight, 0)}</text>`;
  });
  const others = row.x + filled * row.width;
  const left = Math.max(0, row.x + row.width - others);
  const alt = `${item.title} is read as ${item.predicted}; the leading atoms carry ${shown.map((atom) => percent(atom.weight, 0)).join(', ')}`;
  const { query, goal } = layout;
  return html`<svg class="flow" viewBox="0 0 ${layout.width} ${layout.height}" role="img" aria-label="${alt}">
${placed(item.image, query)}<text class="big" x="${query.x + query.size / 2}" y="${query.y - 9}" text-anchor="middle">The image</text>
${parts}
${left > 0.5 ? html`<rect x="${others.toFixed(1)}" y="${barY}" width="${left.toFixed(1)}" height="12" fill="currentColor" fill-opacity="0.15"/>` : null}
<text x="${row.x}" y="${barY + 32}">${percent(filled, 0)} from these ${shown.length}</text><text x="${row.x + row.width}" y="${barY + 32}" text-anchor="end">the other ${Math.max(0, item.atomCount - shown.length)} atoms: ${percent(Math.max(0, 1 - filled), 0)}</text>
<rect class="goal" x="${goal.x}" y="${goal.y}" width="${goal.size}" height="${goal.size}" rx="6"/><text class="decision" x="${goal.x + goal.size / 2}" y="${goal.y + goal.size / 2 + 14}">${item.predicted}</text><text class="big" x="${goal.x + goal.size / 2}" y="${goal.y - 9}" text-anchor="middle">is read as</text>
</svg>`;
}

function placed(picture: Picture, box: Box): Markup {
  const scale = box.size / Math.max(picture.width, picture.height);
  return html`<g transform="translate(${box.x.toFixed(1)} ${box.y}) scale(${scale.toFixed(4)})" shape-rendering="crispEdges">${greyPixels(picture)}</g><rect class="frame" x="${box.x.toFixed(1)}" y="${box.y}" width="${box.size.toFixed(1)}" height="${box.size.toFixed(1)}"/>`;
}
