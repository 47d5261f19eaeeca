/** Text that is already HTML. Only `html` makes it, so that everything else that reaches a page has been escaped. */
export interface Markup {
  readonly markup: string;
}

export type Part = Markup | string | number | null | undefined | false | readonly Part[];

/**
 * A tagged template for HTML (and SVG): what is put in is escaped unless it is itself markup. Lists are joined, null, undefined and false
 * are left out. Values stand in element content or inside quoted attributes, nowhere else.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  let markup = strings[0] ?? '';
  parts.forEach((part, at) => {
    markup += render(part) + (strings[at + 1] ?? '');
  });
  return { markup };
}

function render(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return escapeText(String(part));
  if ('markup' in part) return part.markup;
  return part.map(render).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Controls, bidirectional overrides, non-characters and lone surrogates: not allowed in XML, or able to disguise a text. */
const unfit = /[^\P{Cc}\t\n]|[\u202a-\u202e\u2066-\u2069\ufffe\uffff]|\p{Surrogate}/gu;

/** Escapes for element content and for quoted attributes; characters that are not fit for a page become U+FFFD. */
export function escapeText(text: string): string {
  return text.replace(unfit, '\ufffd').replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
