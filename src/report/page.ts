import { html, type Markup } from './markup.ts';
import { style } from './style.ts';

export interface Section {
  /** Its address within the page: letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  /** Stands beside the title, such as a verdict. */
  readonly aside?: Markup | undefined;
  readonly body: Markup;
}

export interface Page {
  readonly title: string;
  /** A few words above the title. */
  readonly eyebrow?: string | undefined;
  readonly lead?: Markup | string | undefined;
  /** What follows the lead in the head of the page: key figures, a header picture. */
  readonly head?: Markup | undefined;
  readonly sections: readonly Section[];
  readonly footer?: Markup | string | undefined;
}

/**
 * One self-contained page: no script, no request to anywhere (a content security policy in the page holds that), dark and light,
 * well-formed as XML as well. The same data give the same text.
 */
export function page(content: Page): string {
  const links = content.sections.map((section) => html`<li><a href="#${anchor(section.id)}">${section.title}</a></li>`);
  const document = html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"/>
<meta name="generator" content="hopfcole"/>
<title>${content.title}</title>
<style>${{ markup: style }}</style>
</head>
<body>
<header class="top">
${content.eyebrow === undefined ? null : html`<p class="eyebrow">${content.eyebrow}</p>`}
<h1>${content.title}</h1>
${content.lead === undefined ? null : html`<p class="lead">${content.lead}</p>`}
${content.head}
${links.length > 1 ? html`<nav aria-label="Contents"><ul>${links}</ul></nav>` : null}
</header>
<main>
${content.sections.map(
  (section) => html`<section id="${anchor(section.id)}">
<div class="case-head"><h2>${section.title}</h2>${section.aside}</div>
${section.body}
</section>
`,
)}</main>
${content.footer === undefined ? null : html`<footer>${content.footer}</footer>`}
</body>
</html>
`;
  return document.markup;
}

function anchor(id: string): string {
  return id.replace(/[^A-Za-z0-9-]+/g, '-');
}

/** A picture with its explanation. */
export function figure(picture: Markup, caption: Markup | string, title?: string): Markup {
  return html`<figure>${title === undefined ? null : html`<h3>${title}</h3>`}${picture}<figcaption>${caption}</figcaption></figure>`;
}

/** The few numbers that the page is about. */
export function keyFigures(items: readonly { name: string; value: string; note?: string | undefined }[]): Markup {
  return html`<dl class="figures">${items.map((item) => html`<div><dt>${item.name}</dt><dd>${item.value}${item.note === undefined ? null : html`<small>${item.note}</small>`}</dd></div>`)}</dl>`;
}

export interface Column {
  readonly title: string;
  readonly numeric?: boolean;
}

/** A table that scrolls by itself where the window is too narrow. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly (Markup | string | number)[])[],
  caption?: Markup | string,
): Markup {
  const kind = (at: number) => (columns[at]?.numeric === true ? 'number' : 'text');
  const head = columns.map((column, at) => html`<th scope="col" class="${kind(at)}">${column.title}</th>`);
  const body = rows.map((row) => html`<tr>${row.map((cell, at) => html`<td class="${kind(at)}">${cell}</td>`)}</tr>`);
  const whole = html`<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
  return caption === undefined ? whole : figure(whole, caption);
}

/** Names and values, aligned. */
export function facts(items: readonly (readonly [Markup | string, Markup | string])[]): Markup {
  return html`<dl class="facts">${items.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** A formula in running text; `source` is markup of ours. */
export function math(source: Markup): Markup {
  return html`<span class="math">${source}</span>`;
}
