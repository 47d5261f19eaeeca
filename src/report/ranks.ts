import { meter } from './bars.ts';
import { html, type Markup } from './markup.ts';

interface Measure {
  readonly text: string;
  /** Length of the bar, 0 to 1. */
  readonly share: number;
  readonly kind: 'weight' | 'loss';
}

/** Names with one or two measured bars each; it needs no pictures and takes labels of any length. */
export function rankTable(
  titles: readonly string[],
  rows: readonly { readonly label: string; readonly measures: readonly Measure[] }[],
): Markup {
  const [first, ...others] = titles;
  const head = others.map(
    (title) => html`<th scope="col" class="number">${title}</th><th class="long" aria-hidden="true"></th>`,
  );
  const body = rows.map(
    ({ label, measures }) =>
      html`<tr><th scope="row" title="${shortLabel(label, 300)}">${shortLabel(label)}</th>${measures.map(
        ({ text, share, kind }, at) =>
          html`<td class="number" data-name="${others[at]}">${text}</td><td class="long">${meter(share, kind)}</td>`,
      )}</tr>`,
  );
  return html`<table class="ranks"><thead><tr><th scope="col">${first}</th>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

/** A label cut to so many characters, so that no label can fill a page. */
export function shortLabel(label: string, limit = 60): string {
  if (label.length <= limit) return label;
  const characters = [...label.slice(0, limit * 2)];
  return characters.length <= limit && label.length <= limit * 2
    ? label
    : `${characters.slice(0, limit - 1).join('')}…`;
}
