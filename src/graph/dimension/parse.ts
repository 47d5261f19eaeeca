import {
  add,
  ceilQuotient,
  constantValue,
  exactQuotient,
  extreme,
  floorQuotient,
  integer,
  multiply,
  type Polynomial,
  scale,
  subtract,
  symbol,
  TooComplex,
} from './polynomial.ts';

/** What stands before a floor is applied: `s0/2 - 1/2` is (s0 - 1) over 2. */
interface Ratio {
  readonly over: Polynomial;
  readonly under: Polynomial;
}

const one = integer(1);
const token = /\s*(?:(\d+)|([A-Za-z_][\w.]*)|("(?:[^"\\]|\\.)*")|(\*\*|\/\/|[-+*/%^(),]))/y;
/** `batch-size` is a name, as no exporter writes a difference without spaces. */
const hyphenated = /^[A-Za-z_][\w.]*(-[A-Za-z_][\w.]*)+$/;
const limits = { text: 512, tokens: 160, depth: 24, power: 8 };

class Unreadable extends Error {}

/**
 * A dimension's expression as exporters write it (`s77 + 1`, `2*s0`, `floor(s0/2)`, `(s0 - 1)//2 + 1`, `Max(1, s0)`), without eval and bounded.
 * What is no such expression is one opaque symbol.
 */
export function parseDimension(text: string): Polynomial {
  if (text.length > limits.text || hyphenated.test(text)) return symbol(text);
  try {
    const reader = new Reader(tokens(text));
    return whole(reader.all());
  } catch (error) {
    if (error instanceof Unreadable || error instanceof TooComplex) return symbol(text);
    throw error;
  }
}

function tokens(text: string): readonly string[] {
  const found: string[] = [];
  const trimmed = text.trimEnd();
  token.lastIndex = 0;
  while (token.lastIndex < trimmed.length) {
    const match = token.exec(trimmed);
    const word = match?.[1] ?? match?.[2] ?? match?.[3] ?? match?.[4];
    if (word === undefined || found.length >= limits.tokens) throw new Unreadable();
    found.push(word);
  }
  return found;
}

class Reader {
  private position = 0;
  private depth = 0;
  private readonly words: readonly string[];

  constructor(words: readonly string[]) {
    this.words = words;
  }

  all(): Ratio {
    const value = this.sum();
    if (this.position !== this.words.length) throw new Unreadable();
    return value;
  }

  private sum(): Ratio {
    if (++this.depth > limits.depth) throw new Unreadable();
    let value = this.term();
    for (;;) {
      if (this.take('+')) value = plus(value, this.term());
      else if (this.take('-')) value = plus(value, negative(this.term()));
      else break;
    }
    this.depth--;
    return value;
  }

  private term(): Ratio {
    let value = this.factor();
    for (;;) {
      if (this.take('*')) value = times(value, this.factor());
      else if (this.take('/')) value = times(value, inverse(this.factor()));
      else if (this.take('//')) value = floored(times(value, inverse(this.factor())));
      else if (this.take('%')) value = remainder(value, this.factor());
      else return value;
    }
  }

  private factor(): Ratio {
    let sign = 1;
    while (this.take('-')) sign = -sign;
    const base = this.atom();
    const value = this.take('**') || this.take('^') ? power(base, this.atom()) : base;
    return sign < 0 ? negative(value) : value;
  }

  private atom(): Ratio {
    const word = this.words[this.position++];
    if (word === undefined) throw new Unreadable();
    if (/^\d/.test(word)) return { over: integer(Number(word)), under: one };
    if (word === '(') {
      const value = this.sum();
      this.expect(')');
      return value;
    }
    if (word.startsWith('"')) return { over: symbol(unquote(word)), under: one };
    if (!/^[A-Za-z_]/.test(word)) throw new Unreadable();
    return this.take('(') ? call(word.toLowerCase(), this.list()) : { over: symbol(word), under: one };
  }

  private list(): readonly Ratio[] {
    const values = [this.sum()];
    while (this.take(',')) values.push(this.sum());
    this.expect(')');
    return values;
  }

  private take(word: string): boolean {
    if (this.words[this.position] !== word) return false;
    this.position++;
    return true;
  }

  private expect(word: string): void {
    if (!this.take(word)) throw new Unreadable();
  }
}

function call(name: string, values: readonly Ratio[]): Ratio {
  const [first, second] = values;
  if (first === undefined) throw new Unreadable();
  if (second === undefined) {
    if (name === 'floor') return floored(first);
    if (name === 'ceil' || name === 'ceiling') return { over: ceilQuotient(first.over, first.under), under: one };
    throw new Unreadable();
  }
  if (name === 'max' || name === 'min')
    return { over: values.map(whole).reduce((a, b) => extreme(name, a, b)), under: one };
  if (values.length > 2) throw new Unreadable();
  if (name === 'floordiv') return floored(times(first, inverse(second)));
  if (name === 'mod') return remainder(first, second);
  throw new Unreadable();
}

function whole({ over, under }: Ratio): Polynomial {
  const value = exactQuotient(over, under);
  if (value === undefined) throw new Unreadable();
  return value;
}

function plus(a: Ratio, b: Ratio): Ratio {
  return { over: add(multiply(a.over, b.under), multiply(b.over, a.under)), under: multiply(a.under, b.under) };
}

function times(a: Ratio, b: Ratio): Ratio {
  return { over: multiply(a.over, b.over), under: multiply(a.under, b.under) };
}

function negative(a: Ratio): Ratio {
  return { over: scale(a.over, -1), under: a.under };
}

function inverse({ over, under }: Ratio): Ratio {
  if (over.length === 0) throw new Unreadable();
  return { over: under, under: over };
}

function floored({ over, under }: Ratio): Ratio {
  return { over: floorQuotient(over, under), under: one };
}

function remainder(a: Ratio, b: Ratio): Ratio {
  const [x, y] = [whole(a), whole(b)];
  if (y.length === 0) throw new Unreadable();
  return { over: subtract(x, multiply(y, floorQuotient(x, y))), under: one };
}

function power(base: Ratio, exponent: Ratio): Ratio {
  const count = constantValue(whole(exponent));
  if (count === undefined || count < 0 || count > limits.power) throw new Unreadable();
  let value: Ratio = { over: one, under: one };
  for (let i = 0; i < count; i++) value = times(value, base);
  return value;
}

function unquote(word: string): string {
  try {
    return String(JSON.parse(word));
  } catch {
    throw new Unreadable();
  }
}
