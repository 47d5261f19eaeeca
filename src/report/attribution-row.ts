import type { AttributionData, AttributionRow } from './attribution-data.ts';
import { barChart, meter } from './bars.ts';
import { html, type Markup } from './markup.ts';
import { number, percent } from './number.ts';
import { facts, figure, math, type Section } from './page.ts';
import { greyImage, heatKey, heatMap, largest } from './picture.ts';
import { rankTable, shortLabel } from './ranks.ts';

const shownBars = 10;

/** One query: its value, its co-state and the atoms that carried it. */
export function attributionRow(data: AttributionData, row: AttributionRow): Section {
  const { head } = row;
  const finite = Number.isFinite(row.f);
  return {
    id: `row-${row.row}`,
    title: `Query ${row.row}`,
    aside: html`${head === undefined || Number.isNaN(row.f) ? null : html`<span class="verdict">head ${head.index}, the largest f of ${head.f.length}</span>`}${finite ? null : html`<span class="verdict wrong">its value is not finite</span>`}`,
    body: html`<p>${story(data, row)}</p>
<div class="grid ${gridOf(row)}">
${query(data, row)}
${costate(data, row)}
${head === undefined ? null : heads(row, head)}
</div>
${finite ? atoms(data, row) : null}`,
  };
}

/** Pictures stand side by side on a phone too; charts need its whole width. */
function gridOf({ query, head }: AttributionRow): string {
  if (query !== undefined && head !== undefined) return 'three';
  return query === undefined && head === undefined ? 'two' : 'equal';
}

function story(data: AttributionData, row: AttributionRow): string {
  const [top] = row.atoms;
  if (top === undefined || !Number.isFinite(row.f))
    return 'The value of this query is not a finite number, so no atom can be said to carry it. Look for inputs or weights that are not finite.';
  const of = data.site.atoms === null ? '' : ` of ${data.site.atoms}`;
  if (data.site.atoms === 1) return `The site has one atom, ${shortLabel(top.label)}: the value is that atom’s alone.`;
  return `The heaviest atom, ${shortLabel(top.label)}, has a weight of ${percent(top.weight)}. The value is shared as widely as among ${number(row.effectiveAtoms)}${of} atoms of equal weight.`;
}

function query(data: AttributionData, row: AttributionRow): Markup {
  const listed = facts([
    [html`value ${math(html`f`)}`, number(row.f, 5)],
    [html`entropy ${math(html`H`)} (nats)`, number(row.entropy)],
    [
      html`effective atoms ${math(html`e<sup>H</sup>`)}`,
      `${number(row.effectiveAtoms)}${data.site.atoms === null || !Number.isFinite(row.effectiveAtoms) ? '' : ` of ${data.site.atoms}`}`,
    ],
    [html`temperature ${math(html`ε`)}`, number(data.epsilon)],
  ]);
  if (row.query === undefined) return html`<div><h3>In numbers</h3>${listed}</div>`;
  return figure(greyImage(row.query, `Query ${row.row}, the input of the site`), listed, 'The query');
}

function costate(data: AttributionData, row: AttributionRow): Markup {
  const { map, costate: p } = row;
  const broken = p.filter((value) => !Number.isFinite(value)).length;
  if (p.length > 0 && broken === p.length)
    return html`<div><h3>The co-state</h3><p class="empty">None of its ${p.length} components is finite.</p></div>`;
  const gaps = broken === 0 ? '' : ` ${broken} of them not finite${map === undefined ? '' : ', in magenta'}.`;
  if (map !== undefined)
    return figure(
      html`${heatMap(map, `Co-state of query ${row.row}`)}${heatKey(number(largest(map), 2))}`,
      html`${math(html`p = ∇f`)}, its ${p.length} components on a grid of ${map.width} × ${map.height}${map.width * map.height < p.length ? ' (means of neighbours)' : ''}. <strong>Orange</strong>: more of it raises the value; <strong>blue</strong>: lowers it.${gaps}`,
      'The co-state',
    );
  const size = (value: number) => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : Math.abs(value));
  const order = [...p.keys()].sort((a, b) => size(p[b] ?? 0) - size(p[a] ?? 0) || a - b).slice(0, shownBars);
  const bars = order.map((at) => ({ label: row.components?.[at] ?? `p[${at}]`, value: p[at] ?? Number.NaN }));
  const what =
    p.length > bars.length ? `The ${bars.length} largest of the ${p.length} components of` : 'Every component of';
  return figure(
    barChart({
      alt: `Co-state of query ${row.row}`,
      bars: bars.map((bar) => ({ ...bar, emphasis: bar.value < 0 ? 'warn' : 'strong' })),
    }),
    html`${what} ${math(html`p = ∇f`)}. ${data.site.kind === 'softmax-head' ? 'For a softmax head they are the class probabilities.' : html`<strong>Blue</strong>: more of it raises the value; <strong>orange</strong>: lowers it.`}${gaps}`,
    'The co-state',
  );
}

function heads(row: AttributionRow, head: NonNullable<AttributionRow['head']>): Markup {
  const rank = (value: number) => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value);
  const { f } = head;
  const order = [...f.keys()].sort((a, b) =>
    a === head.index ? -1 : b === head.index ? 1 : rank(f[b] ?? 0) - rank(f[a] ?? 0) || a - b,
  );
  const kept = new Set(order.slice(0, shownBars));
  const shown = [...f.keys()].filter((at) => kept.has(at));
  return figure(
    barChart({
      alt: `Value of each head for query ${row.row}; head ${head.index} is shown`,
      bars: shown.map((at) => ({
        label: `head ${at}`,
        value: f[at] ?? Number.NaN,
        text: number(f[at] ?? Number.NaN, 4),
        emphasis: at === head.index ? ('strong' as const) : undefined,
      })),
    }),
    `The value f of ${shown.length < f.length ? `the ${shown.length} largest of ${f.length} heads` : 'every head'}. ${Number.isNaN(row.f) ? 'None of them is a number.' : `The largest, head ${head.index}, is the one this section is about.`}`,
    'The heads compared',
  );
}

function atoms(data: AttributionData, row: AttributionRow): Markup | null {
  if (row.atoms.length === 0) return null;
  const strongest = Math.max(0, ...row.atoms.map(({ weight }) => weight).filter(Number.isFinite));
  const dearest = Math.max(0, ...row.atoms.map(({ leaveOneOut }) => -leaveOneOut).filter(Number.isFinite));
  const weightShare = (weight: number) => (strongest > 0 ? weight / strongest : 0);
  const lossShare = (loss: number) => (loss === Number.NEGATIVE_INFINITY ? 1 : dearest > 0 ? -loss / dearest : 0);
  const drawn = row.atoms.some(({ picture }) => picture !== undefined);
  const list = drawn
    ? html`<ol class="tiles">${row.atoms.map(
        ({ label, picture, weight, leaveOneOut }) =>
          html`<li class="tile">${picture === undefined ? null : greyImage(picture, `${shortLabel(label)}, weight ${percent(weight)}`)}
<span>π <b>${percent(weight)}</b></span>${meter(weightShare(weight), 'weight')}
<span>Δf <b>${number(leaveOneOut, 2)}</b></span>${meter(lossShare(leaveOneOut), 'loss')}
<span class="name" title="${shortLabel(label, 300)}">${shortLabel(label, 40)}</span></li>`,
      )}</ol>`
    : rankTable(
        ['Atom', 'π', 'Δf'],
        row.atoms.map(({ label, weight, leaveOneOut }) => ({
          label,
          measures: [
            { text: percent(weight), share: weightShare(weight), kind: 'weight' as const },
            { text: number(leaveOneOut, 3), share: lossShare(leaveOneOut), kind: 'loss' as const },
          ],
        })),
      );
  return html`<div class="row">${figure(list, html`${explanation(data, row)}`, 'The atoms that decided')}</div>`;
}

function explanation({ site }: AttributionData, row: AttributionRow): Markup {
  const rest = 1 - row.atoms.reduce((sum, { weight }) => sum + weight, 0);
  const others = site.atoms === null ? undefined : site.atoms - row.atoms.length;
  const told =
    others === 0 || !Number.isFinite(rest)
      ? ''
      : ` The other ${others === undefined ? 'atoms' : others === 1 ? 'atom' : `${others} atoms`} together ${others === 1 ? 'carries' : 'carry'} ${percent(Math.max(0, rest))}.`;
  return html`The atoms of largest weight. <strong>Blue</strong>: ${math(html`π`)}, the Gibbs weight. <strong>Orange</strong>: ${math(html`Δf`)}, the change of the value when that atom alone is left out.${told}`;
}
