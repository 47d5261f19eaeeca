/**
 * Polynomials with integer coefficients over atoms: the canonical form behind symbolic dimensions.
 * An atom is a symbol of the model, or a floor quotient, maximum or minimum that no polynomial can say.
 * All work is bounded: what grows beyond the limits below throws `TooComplex`, which dim.ts turns into "unknown".
 */
interface Atom {
  readonly kind: 'symbol' | 'floor' | 'max' | 'min';
  /** The atom as written in an expression (a symbol that is no identifier is quoted); equal texts are equal atoms. */
  readonly text: string;
  /** The bare name of a symbol. */
  readonly name: string;
  /** floor: numerator and denominator; max, min: the two sides. */
  readonly parts: readonly Polynomial[];
}

interface Term {
  readonly coefficient: number;
  /** Sorted by text, repeated for powers; empty for the constant term. */
  readonly factors: readonly Atom[];
}

/** Terms in canonical order (higher degree first, then by text), none with coefficient 0. */
export type Polynomial = readonly Term[];

export class TooComplex extends Error {}

const limits = { terms: 24, degree: 8, text: 240 };

const zero: Polynomial = [];

export function integer(value: number): Polynomial {
  return value === 0 ? zero : [{ coefficient: safe(value), factors: [] }];
}

const identifier = /^[A-Za-z_][\w.]*$/;
const reserved = new Set(['floor', 'ceil', 'ceiling', 'max', 'min', 'mod', 'floordiv']);

export function symbol(name: string): Polynomial {
  const plain = identifier.test(name) && !reserved.has(name.toLowerCase());
  return ofAtom({ kind: 'symbol', text: plain ? name : JSON.stringify(name), name, parts: [] });
}

function ofAtom(atom: Atom): Polynomial {
  return [{ coefficient: 1, factors: [atom] }];
}

export function add(a: Polynomial, b: Polynomial): Polynomial {
  return collect([...a, ...b]);
}

export function scale(a: Polynomial, factor: number): Polynomial {
  if (factor === 0) return zero;
  return a.map((term) => ({ coefficient: safe(term.coefficient * factor), factors: term.factors }));
}

export function subtract(a: Polynomial, b: Polynomial): Polynomial {
  return add(a, scale(b, -1));
}

export function multiply(a: Polynomial, b: Polynomial): Polynomial {
  if (a.length * b.length > limits.terms * limits.terms) throw new TooComplex();
  return collect(a.flatMap((left) => b.map((right) => product(left, right))));
}

/** The constant it is, or undefined where it has symbols. */
export function constantValue(a: Polynomial): number | undefined {
  if (a.length === 0) return 0;
  const [term] = a;
  return a.length === 1 && term?.factors.length === 0 ? term.coefficient : undefined;
}

function constantTerm(a: Polynomial): number {
  const last = a.at(-1);
  return last?.factors.length === 0 ? last.coefficient : 0;
}

/** a / b where b divides a without remainder as polynomials, otherwise undefined. b = a != 0 gives 1: sizes divided by are taken as not 0. */
export function exactQuotient(a: Polynomial, b: Polynomial): Polynomial | undefined {
  const [lead] = b;
  if (lead === undefined) return undefined;
  let rest = a;
  let quotient: Polynomial = zero;
  for (let step = 0; step < limits.terms; step++) {
    const [first] = rest;
    if (first === undefined) return quotient;
    const factor = termQuotient(first, lead);
    if (factor === undefined) return undefined;
    quotient = add(quotient, [factor]);
    rest = subtract(rest, multiply([factor], b));
  }
  return undefined;
}

/** floor(a / b), canonical; b is taken as positive where it is symbolic. */
export function floorQuotient(a: Polynomial, b: Polynomial): Polynomial {
  const exact = exactQuotient(a, b);
  if (exact !== undefined) return exact;
  const divisor = constantValue(b);
  if (divisor === undefined) return ofAtom(functionAtom('floor', [a, b]));
  if (divisor === 0) throw new TooComplex();
  return divisor < 0 ? floorByInteger(scale(a, -1), -divisor) : floorByInteger(a, divisor);
}

export function ceilQuotient(a: Polynomial, b: Polynomial): Polynomial {
  const divisor = constantValue(b);
  if (divisor === undefined || divisor <= 0) return scale(floorQuotient(scale(a, -1), b), -1);
  return floorQuotient(add(a, integer(divisor - 1)), b);
}

export function extreme(kind: 'max' | 'min', a: Polynomial, b: Polynomial): Polynomial {
  const order = compare(a, b);
  if (order !== undefined) return order >= 0 === (kind === 'max') ? a : b;
  const sides = [a, b].sort((x, y) => (print(x) < print(y) ? -1 : 1));
  return ofAtom(functionAtom(kind, sides));
}

/** The sign of a - b where it is the same for all sizes (symbols are sizes, so at least 0): -1, 0 or 1; else undefined. */
export function compare(a: Polynomial, b: Polynomial): -1 | 0 | 1 | undefined {
  const difference = subtract(a, b);
  if (difference.length === 0) return 0;
  if (lowerBound(difference) > 0) return 1;
  if (lowerBound(scale(difference, -1)) > 0) return -1;
  return undefined;
}

/** Whether a is `min(n, b)` with a number n of at least 1: what a table of n rows gives for b of them. */
export function isCutTo(a: Polynomial, b: Polynomial): boolean {
  const [term] = a;
  const [atom] = term?.factors ?? [];
  if (a.length !== 1 || term?.coefficient !== 1 || term.factors.length !== 1 || atom?.kind !== 'min') return false;
  const whole = print(b);
  return atom.parts.some((part) => print(part) === whole) && atom.parts.some((part) => (constantValue(part) ?? 0) >= 1);
}

/** A bound that holds for all sizes, -Infinity where none is known. */
function lowerBound(a: Polynomial): number {
  let bound = 0;
  for (const { coefficient, factors } of a) {
    if (factors.length === 0) bound += coefficient;
    else if (coefficient < 0 || !factors.every(isNatural)) return Number.NEGATIVE_INFINITY;
  }
  return bound;
}

export function print(a: Polynomial): string {
  const text = a.map((term, index) => printTerm(term, index === 0)).join('');
  if (text.length > limits.text) throw new TooComplex();
  return text === '' ? '0' : text;
}

function isNatural({ kind, parts }: Atom): boolean {
  if (kind === 'symbol') return true;
  if (kind === 'max') return parts.some((part) => lowerBound(part) >= 0);
  return parts.every((part) => lowerBound(part) >= 0);
}

/** Whole multiples of the divisor leave the floor, common factors cancel, and floors of floors merge: one text per value where possible. */
function floorByInteger(a: Polynomial, divisor: number): Polynomial {
  const whole = collect(a.map((term) => ({ ...term, coefficient: Math.floor(term.coefficient / divisor) })));
  const rest = subtract(a, scale(whole, divisor));
  const symbolic = rest.filter((term) => term.factors.length > 0);
  if (symbolic.length === 0) return whole;
  const common = symbolic.reduce((gcd, term) => greatestDivisor(gcd, term.coefficient), divisor);
  if (common > 1) {
    const reduced = symbolic.map((term) => ({ ...term, coefficient: term.coefficient / common }));
    const constant = integer(Math.floor(constantTerm(rest) / common));
    return add(whole, floorByInteger(add(reduced, constant), divisor / common));
  }
  const inner = onlyFloor(symbolic);
  if (inner !== undefined) {
    const [numerator = zero, denominator = zero] = inner.parts;
    const by = constantValue(denominator);
    if (by !== undefined && by > 0) {
      const lifted = add(numerator, scale(integer(constantTerm(rest)), by));
      return add(whole, floorByInteger(lifted, safe(by * divisor)));
    }
  }
  return add(whole, ofAtom(functionAtom('floor', [rest, integer(divisor)])));
}

function onlyFloor(terms: readonly Term[]): Atom | undefined {
  const [term] = terms;
  const [atom] = term?.factors ?? [];
  const single = terms.length === 1 && term?.coefficient === 1 && term.factors.length === 1;
  return single && atom?.kind === 'floor' ? atom : undefined;
}

function functionAtom(kind: 'floor' | 'max' | 'min', parts: readonly Polynomial[]): Atom {
  const [first = zero, second = zero] = parts;
  const inner = kind === 'floor' ? `${grouped(first)}/${grouped(second)}` : `${print(first)}, ${print(second)}`;
  const text = `${kind}(${inner})`;
  if (text.length > limits.text) throw new TooComplex();
  return { kind, text, name: text, parts };
}

function grouped(a: Polynomial): string {
  const text = print(a);
  const [term] = a;
  const simple = a.length <= 1 && (term === undefined || term.factors.length + (term.coefficient === 1 ? 0 : 1) <= 1);
  return simple && !text.startsWith('-') ? text : `(${text})`;
}

function printTerm({ coefficient, factors }: Term, first: boolean): string {
  const sign = coefficient < 0 ? (first ? '-' : ' - ') : first ? '' : ' + ';
  const size = Math.abs(coefficient);
  const parts = factors.map((factor) => factor.text);
  if (size !== 1 || parts.length === 0) parts.unshift(String(size));
  return sign + parts.join('*');
}

function product(a: Term, b: Term): Term {
  const factors = [...a.factors, ...b.factors].sort((x, y) => (x.text < y.text ? -1 : 1));
  if (factors.length > limits.degree) throw new TooComplex();
  return { coefficient: safe(a.coefficient * b.coefficient), factors };
}

function termQuotient(a: Term, b: Term): Term | undefined {
  if (a.coefficient % b.coefficient !== 0) return undefined;
  const factors = [...a.factors];
  for (const factor of b.factors) {
    const index = factors.findIndex((candidate) => candidate.text === factor.text);
    if (index < 0) return undefined;
    factors.splice(index, 1);
  }
  return { coefficient: a.coefficient / b.coefficient, factors };
}

function collect(terms: readonly Term[]): Polynomial {
  const sums = new Map<string, Term>();
  for (const term of terms) {
    const key = monomial(term);
    const coefficient = safe((sums.get(key)?.coefficient ?? 0) + term.coefficient);
    sums.set(key, { coefficient, factors: term.factors });
  }
  const kept = [...sums].filter(([, term]) => term.coefficient !== 0);
  if (kept.length > limits.terms) throw new TooComplex();
  kept.sort(([x, a], [y, b]) => b.factors.length - a.factors.length || (x < y ? -1 : 1));
  return kept.map(([, term]) => term);
}

function monomial({ factors }: Term): string {
  return factors.map((factor) => factor.text).join('*');
}

function greatestDivisor(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw new TooComplex();
  return value === 0 ? 0 : value;
}
