import { parseDimension } from './dimension/parse.ts';
import {
  add,
  ceilQuotient,
  compare,
  constantValue,
  exactQuotient,
  extreme,
  floorQuotient,
  integer,
  isCutTo,
  multiply,
  type Polynomial,
  print,
  subtract,
  TooComplex,
} from './dimension/polynomial.ts';
import type { Dim, Shape } from './type.ts';

/**
 * Arithmetic on dimensions. Results are numbers, canonical expression strings (`2*T`, `B*T`, `T + 1`, `floor(T/2)`), or undefined:
 * nothing is known, the expression has grown too large, or a number passed 2^53. Symbols stand for sizes, so for integers >= 0;
 * a symbol that is divided by is taken as not 0.
 */
export function addDims(a: Dim, b: Dim): Dim {
  return combine(a, b, (x, y) => x + y, add);
}

export function subtractDims(a: Dim, b: Dim): Dim {
  return combine(a, b, (x, y) => x - y, subtract);
}

export function multiplyDims(a: Dim, b: Dim): Dim {
  if (a === 0 || b === 0) return 0;
  return combine(a, b, (x, y) => x * y, multiply);
}

/** floor(a / b); undefined for b = 0. */
export function floorDivideDims(a: Dim, b: Dim): Dim {
  return combine(a, b, (x, y) => (y === 0 ? Number.NaN : Math.floor(x / y)), floorQuotient);
}

/** ceil(a / b); undefined for b = 0. */
export function ceilDivideDims(a: Dim, b: Dim): Dim {
  return combine(a, b, (x, y) => (y === 0 ? Number.NaN : Math.ceil(x / y)), ceilQuotient);
}

/** a / b where b divides a whatever the symbols are (`B*T*64` by `64*B` is `T`), otherwise undefined. */
export function divideExactly(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return b !== 0 && a % b === 0 ? a / b : undefined;
  if (a === undefined || b === undefined || b === 0) return undefined;
  return guarded(() => {
    const quotient = exactQuotient(polynomialOf(a), polynomialOf(b));
    return quotient === undefined ? undefined : dimOf(quotient);
  });
}

export function maxDim(a: Dim, b: Dim): Dim {
  return combine(a, b, Math.max, (x, y) => extreme('max', x, y));
}

export function minDim(a: Dim, b: Dim): Dim {
  return combine(a, b, Math.min, (x, y) => extreme('min', x, y));
}

/** The sign of a - b where it is the same whatever the symbols are; undefined where it is not known. */
export function compareDims(a: Dim, b: Dim): -1 | 0 | 1 | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (typeof a === 'number' && typeof b === 'number') return a === b ? 0 : a < b ? -1 : 1;
  try {
    return compare(polynomialOf(a), polynomialOf(b));
  } catch (error) {
    if (error instanceof TooComplex) return undefined;
    throw error;
  }
}

/** Whether two dimensions are known to be the same size. */
export function sameDim(a: Dim, b: Dim): boolean {
  return a !== undefined && compareDims(a, b) === 0;
}

/** Whether two dimensions are known to be different sizes; two symbols never are. */
export function differentDims(a: Dim, b: Dim): boolean {
  return typeof a === 'number' && typeof b === 'number' && a !== b;
}

/** Of two dimensions that must be the same size, the one that says more. Check `differentDims` first. */
export function unifyDims(a: Dim, b: Dim): Dim {
  return typeof b === 'number' || a === undefined || isCutDim(a, b) ? b : a;
}

/** Of two dimensions either of which may be the case (the branches of an If): what holds for both. */
export function joinDims(a: Dim, b: Dim): Dim {
  return sameDim(a, b) ? a : undefined;
}

/** What two shapes have in common; undefined where their ranks differ. */
export function joinShapes(a: Shape, b: Shape): Shape {
  if (a === undefined || b === undefined || a.length !== b.length) return undefined;
  return a.map((dim, axis) => joinDims(dim, b[axis]));
}

/**
 * Size of a broadcast axis: `(1, 'N')` gives `'N'`, `('N', 5)` gives 5, `('N', 'M')` is not known. Where N meets `min(64, N)`, as the first N rows
 * of a table of 64 do, it is N: were it more than 64, the two would not broadcast. Check `broadcastFails` first.
 */
export function broadcastDims(a: Dim, b: Dim): Dim {
  if (a === 1) return b;
  if (b === 1) return a;
  if (typeof a === 'number') return a;
  if (typeof b === 'number') return b;
  if (isCutDim(b, a)) return a;
  if (isCutDim(a, b)) return b;
  return joinDims(a, b);
}

function isCutDim(a: Dim, b: Dim): boolean {
  if (typeof a !== 'string' || typeof b !== 'string' || !a.startsWith('min(')) return false;
  try {
    return isCutTo(polynomialOf(a), polynomialOf(b));
  } catch (error) {
    if (error instanceof TooComplex) return false;
    throw error;
  }
}

export function broadcastFails(a: Dim, b: Dim): boolean {
  return differentDims(a, b) && a !== 1 && b !== 1;
}

/** Product of dimensions, 1 for none. */
export function productOf(dims: readonly Dim[]): Dim {
  if (dims.includes(0)) return 0;
  return dims.reduce<Dim>((product, dim) => multiplyDims(product, dim), 1);
}

/** The canonical form of a dimension as a file may write it: `'1+N'` gives `'N + 1'`, `'4'` gives 4. */
export function canonicalDim(dim: Dim): Dim {
  return typeof dim === 'string' ? guarded(() => dimOf(polynomialOf(dim))) : dim;
}

export function canonicalShape(shape: Shape): Shape {
  return shape?.some((dim) => typeof dim === 'string' && canonicalDim(dim) !== dim) ? shape.map(canonicalDim) : shape;
}

function combine(
  a: Dim,
  b: Dim,
  numeric: (a: number, b: number) => number,
  symbolic: (a: Polynomial, b: Polynomial) => Polynomial,
): Dim {
  if (a === undefined || b === undefined) return undefined;
  if (typeof a === 'number' && typeof b === 'number') {
    const value = numeric(a, b);
    return Number.isSafeInteger(value) ? value + 0 : undefined;
  }
  return guarded(() => dimOf(symbolic(polynomialOf(a), polynomialOf(b))));
}

function guarded(compute: () => Dim): Dim {
  try {
    return compute();
  } catch (error) {
    if (error instanceof TooComplex) return undefined;
    throw error;
  }
}

/** Texts parsed lately; emptied when full, so that hostile files cannot make it grow. */
const parsed = new Map<string, Polynomial>();

function polynomialOf(dim: number | string): Polynomial {
  if (typeof dim === 'number') return integer(dim);
  const seen = parsed.get(dim);
  if (seen !== undefined) return seen;
  const polynomial = parseDimension(dim);
  if (parsed.size >= 4096) parsed.clear();
  if (dim.length <= 512) parsed.set(dim, polynomial);
  return polynomial;
}

function dimOf(polynomial: Polynomial): Dim {
  const value = constantValue(polynomial);
  if (value !== undefined) return value;
  const name = soleSymbol(polynomial);
  // A name that would be read as something else (`"2"`, `"a + b"`) keeps its quotes.
  return name !== undefined && soleSymbol(polynomialOf(name)) === name ? name : print(polynomial);
}

/** The name of the symbol that is all of a polynomial. */
function soleSymbol(polynomial: Polynomial): string | undefined {
  const [term] = polynomial;
  const [atom] = term?.factors ?? [];
  const alone = polynomial.length === 1 && term?.coefficient === 1 && term.factors.length === 1;
  return alone && atom?.kind === 'symbol' ? atom.name : undefined;
}
