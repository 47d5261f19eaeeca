import { canonicalDim } from '../../graph/dim.ts';
import type { Dim } from '../../graph/type.ts';

/** Beyond these an expression is only a size of which nothing is known. */
const limits = { text: 4096, depth: 32 };
const token = /\s*([A-Za-z_][\w.]*|-?\d+|'(?:[^'\\]|\\.)*'|[(),=])/y;

/**
 * A symbolic size as PyTorch writes it: SymPy's repr (`Add(Symbol('s77', positive=True, integer=True), Integer(1))`; since 2.5) or infix (`s0 + 1`; before),
 * as a dimension in canonical form (`s77 + 1`); undefined for what is no arithmetic of sizes.
 * Nothing is evaluated: functions are those of a list, and what is not on it is unknown.
 */
export function sizeOf(expression: string): Dim {
  if (expression.length > limits.text) return undefined;
  if (known.has(expression)) return known.get(expression);
  if (known.size >= mostKnown) known.clear();
  const dim = parsed(expression);
  known.set(expression, dim);
  return dim;
}

/** A program says the same few sizes thousands of times. */
const known = new Map<string, Dim>();
const mostKnown = 4096;

function parsed(expression: string): Dim {
  try {
    const infix = /^(Add|Mul|Symbol|Integer|Pow|[A-Z]\w+)\(/.test(expression)
      ? new Repr(tokens(expression)).all()
      : expression;
    const dim = canonicalDim(infix);
    // What the dimensions' own parser cannot read, it keeps as one opaque name.
    return dim === infix && !/^[A-Za-z_]\w*$/.test(infix) && typeof dim === 'string' && /[(']/.test(dim)
      ? reparsed(dim)
      : dim;
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

class Unreadable extends Error {}

/** An infix form that came back as it was: canonical already, or opaque. */
function reparsed(dim: string): Dim {
  return /^(max|min|floor|ceil)\b|^[\w\s+*()/-]+$/.test(dim) ? dim : undefined;
}

function tokens(text: string): readonly string[] {
  const found: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const word = token.exec(text)?.[1];
    if (word === undefined) throw new Unreadable();
    found.push(word);
  }
  return found;
}

/** SymPy's repr -> infix text. */
class Repr {
  private at = 0;
  private depth = 0;
  private readonly words: readonly string[];

  constructor(words: readonly string[]) {
    this.words = words;
  }

  all(): string {
    const text = this.expression();
    if (this.at !== this.words.length) throw new Unreadable();
    return text;
  }

  private expression(): string {
    if (++this.depth > limits.depth) throw new Unreadable();
    const name = this.words[this.at++] ?? '';
    if (/^-?\d+$/.test(name)) {
      this.depth--;
      return name;
    }
    if (!/^[A-Za-z_]/.test(name) || !this.take('(')) throw new Unreadable();
    const text = name === 'Symbol' ? this.symbol() : infix(name, this.list());
    this.depth--;
    return text;
  }

  private symbol(): string {
    const quoted = this.words[this.at++] ?? '';
    const name = /^'([A-Za-z_]\w*)'$/.exec(quoted)?.[1];
    if (name === undefined) throw new Unreadable();
    while (this.take(',')) this.assumption();
    if (!this.take(')')) throw new Unreadable();
    return name;
  }

  private list(): string[] {
    const items: string[] = [];
    if (this.take(')')) return items;
    do {
      if (this.words[this.at + 1] === '=') this.assumption();
      else items.push(this.expression());
    } while (this.take(','));
    if (!this.take(')')) throw new Unreadable();
    return items;
  }

  /** `positive=True`: said of a symbol or a function, no part of its value. */
  private assumption(): void {
    const [name, equals, value] = this.words.slice(this.at, this.at + 3);
    if (equals !== '=' || !/^[A-Za-z_]/.test(name ?? '') || !/^(True|False)$/.test(value ?? '')) throw new Unreadable();
    this.at += 3;
  }

  private take(word: string): boolean {
    if (this.words[this.at] !== word) return false;
    this.at += 1;
    return true;
  }
}

function infix(name: string, items: readonly string[]): string {
  const [a, b] = items;
  const grouped = items.map((item) => `(${item})`);
  if (name === 'Add' && items.length > 0) return grouped.join(' + ');
  if (name === 'Mul' && items.length > 0) return grouped.join(' * ');
  if (name === 'Max' || name === 'Min') return `${name}(${items.join(', ')})`;
  if (a === undefined) throw new Unreadable();
  if (name === 'Integer' || name === 'TruncToInt' || name === 'ToFloat' || name === 'Identity') return `(${a})`;
  if (name === 'floor' || name === 'FloorToInt') return `floor(${a})`;
  if (name === 'ceiling' || name === 'CeilToInt') return `ceil(${a})`;
  if (b === undefined) throw new Unreadable();
  if (name === 'Rational' || name === 'IntTrueDiv' || name === 'CleanDiv') return `((${a}) / (${b}))`;
  if (name === 'FloorDiv') return `FloorDiv(${a}, ${b})`;
  if (name === 'CeilDiv') return `ceil((${a}) / (${b}))`;
  if (name === 'Mod' || name === 'PythonMod') return `Mod(${a}, ${b})`;
  if (name === 'Pow') return /^\(?-\d+\)?$/.test(b) ? reciprocal(a, b) : `((${a}) ** (${b}))`;
  throw new Unreadable();
}

function reciprocal(base: string, exponent: string): string {
  const power = -Number(exponent.replace(/[()]/g, ''));
  if (power > 4) throw new Unreadable();
  return `(1 / (${Array.from({ length: power }, () => `(${base})`).join(' * ')}))`;
}
