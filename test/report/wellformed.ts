/** A strict reader of what the report writes: every tag closed in order, attributes quoted and unique, entities known. Returns text and tags. */
export function readMarkup(markup: string): {
  tags: { name: string; attributes: Map<string, string> }[];
  text: string;
} {
  const tags: { name: string; attributes: Map<string, string> }[] = [];
  const open: string[] = [];
  let text = '';
  let at = 0;
  while (at < markup.length) {
    const next = markup.indexOf('<', at);
    const end = next < 0 ? markup.length : next;
    text += decode(markup.slice(at, end));
    if (next < 0) break;
    const tag = /^<(\/?)([A-Za-z][A-Za-z0-9-]*|!DOCTYPE html)((?:\s+[A-Za-z][A-Za-z0-9-]*="[^"<]*")*)\s*(\/?)>/.exec(
      markup.slice(next),
    );
    if (tag === null) throw new Error(`not a tag at ${next}: ${markup.slice(next, next + 80)}`);
    const [whole, closing, name = '', pairs = '', alone] = tag;
    if (closing === '/') {
      const last = open.pop();
      if (last !== name) throw new Error(`</${name}> closes <${last}> at ${next}`);
    } else if (name !== '!DOCTYPE html') {
      const attributes = new Map<string, string>();
      for (const [, key = '', value = ''] of pairs.matchAll(/([A-Za-z][A-Za-z0-9-]*)="([^"]*)"/g)) {
        if (attributes.has(key)) throw new Error(`${key} twice in <${name}> at ${next}`);
        attributes.set(key, decode(value));
      }
      tags.push({ name, attributes });
      if (alone !== '/') open.push(name);
    }
    at = next + whole.length;
  }
  if (open.length > 0) throw new Error(`never closed: ${open.join(', ')}`);
  return { tags, text };
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#160': '\u00a0' };

function decode(text: string): string {
  if (/&(?!#?[A-Za-z0-9]+;)/.test(text)) throw new Error(`a bare & in: ${text.slice(0, 80)}`);
  return text.replace(/&(#?[A-Za-z0-9]+);/g, (_, name: string) => {
    const character = entities[name];
    if (character === undefined) throw new Error(`unknown entity &${name};`);
    return character;
  });
}
