import { HopfcoleError } from './error.ts';

/** Integers come as numbers where they are exact; objects as Maps, so that no name is special. */
export type Json = null | boolean | number | string | readonly Json[] | ReadonlyMap<string, Json>;

/** The same, where integers of 64 bits that are no exact numbers may come as bigints. */
export type WideJson = null | boolean | number | bigint | string | readonly WideJson[] | ReadonlyMap<string, WideJson>;

const deepest = 64;

/**
 * Strict JSON (RFC 8259) that refuses what `JSON.parse` lets pass: a key twice in one object, nesting beyond 64,
 * integers beyond 2^53, text after the end.
 * @throws BAD_JSON with the place.
 */
export function parseJson(text: string, file: string): Json {
  return new Parser(text, file, false).parse() as Json;
}

/** The same, but integers beyond 2^53 that fit 64 bits are bigints. */
export function parseWideJson(text: string, file: string): WideJson {
  return new Parser(text, file, true).parse();
}

const literals: readonly (readonly [string, Json])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class Parser {
  readonly #text: string;
  readonly #file: string;
  readonly #wide: boolean;
  #at = 0;

  constructor(text: string, file: string, wide: boolean) {
    this.#text = text;
    this.#file = file;
    this.#wide = wide;
  }

  parse(): WideJson {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#fail('text after the end');
    return value;
  }

  #fail(message: string): HopfcoleError {
    return new HopfcoleError('BAD_JSON', `not sound JSON: ${message}`, {
      file: this.#file,
      at: `character ${this.#at}`,
    });
  }

  #space(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'x')) this.#at += 1;
  }

  #take(char: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  #value(depth: number): WideJson {
    if (depth > deepest) throw this.#fail(`nested more than ${deepest} deep`);
    if (this.#take('{')) return this.#object(depth);
    if (this.#take('[')) return this.#array(depth);
    if (this.#text[this.#at] === '"') return this.#string();
    for (const [word, value] of literals)
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    return this.#number();
  }

  #object(depth: number): WideJson {
    const members = new Map<string, WideJson>();
    if (this.#take('}')) return members;
    do {
      this.#space();
      const key = this.#string();
      if (members.has(key)) throw this.#fail(`the key ${JSON.stringify(key.slice(0, 200))} stands twice`);
      if (!this.#take(':')) throw this.#fail("expected ':'");
      members.set(key, this.#value(depth + 1));
    } while (this.#take(','));
    if (!this.#take('}')) throw this.#fail("expected ',' or '}'");
    return members;
  }

  #array(depth: number): WideJson {
    const items: WideJson[] = [];
    if (this.#take(']')) return items;
    do items.push(this.#value(depth + 1));
    while (this.#take(','));
    if (!this.#take(']')) throw this.#fail("expected ',' or ']'");
    return items;
  }

  #string(): string {
    const begin = this.#at;
    if (this.#text[begin] !== '"') throw this.#fail('expected a string');
    let end = begin + 1;
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === '\\' ? 2 : 1;
    if (end >= this.#text.length) throw this.#fail('a string without an end');
    this.#at = end + 1;
    try {
      return JSON.parse(this.#text.slice(begin, end + 1));
    } catch {
      this.#at = begin;
      throw this.#fail('a damaged string');
    }
  }

  #number(): number | bigint {
    const match = numberPattern.exec(this.#text.slice(this.#at, this.#at + 400));
    if (match === null) throw this.#fail('expected a value');
    const value = Number(match[0]);
    const isInteger = match[1] === undefined && match[2] === undefined;
    const exact = isInteger ? Number.isSafeInteger(value) : Number.isFinite(value);
    if (!exact && isInteger && this.#wide && Math.abs(value) <= 2 ** 64) {
      this.#at += match[0].length;
      return BigInt(match[0]);
    }
    if (!exact) throw this.#fail(`the number ${match[0].slice(0, 40)} is out of range`);
    this.#at += match[0].length;
    return value;
  }
}

const numberPattern = /^-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/;
