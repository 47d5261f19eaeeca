import { HopfcoleError } from '../files/error.ts';

/** How the next token is drawn from the logits. */
export interface SamplingOptions {
  /** The viscosity of the last softmax: pi = softmax(z/temperature). 0, the default, is its limit: the most likely token (greedy). */
  readonly temperature?: number | undefined;
  /** Only the so many most likely tokens; ties with the last of them stay. */
  readonly topK?: number | undefined;
  /** Only the fewest tokens whose probabilities together reach this. */
  readonly topP?: number | undefined;
}

/** Tokens that may come next, most likely first, and their probabilities. */
export interface Candidates {
  readonly tokens: Uint32Array;
  readonly probabilities: Float64Array;
}

export type Logits = Float32Array | Float64Array;

/** @throws BAD_ARGUMENT for a value that says nothing. */
export function checkSampling({ temperature = 0, topK, topP }: SamplingOptions): void {
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    throw bad('temperature', 'a finite number of at least 0 (0 takes the most likely token)', temperature);
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1))
    throw bad('topK', 'a whole number of at least 1', topK);
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw bad('topP', 'a number above 0 and at most 1', topP);
}

function bad(argument: string, expected: string, got: number): HopfcoleError {
  return new HopfcoleError('BAD_ARGUMENT', `expected ${argument} to be ${expected}, got ${got}`, { argument });
}

/** The most likely token; of equals the first. @throws RUN_FAILED where there is a NaN or nothing finite. */
export function mostLikely(logits: Logits): number {
  let best = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) {
    const z = logits[token] as number;
    if (z > most) {
      most = z;
      best = token;
    } else if (Number.isNaN(z)) throw notFinite();
  }
  if (!Number.isFinite(most)) throw notFinite();
  return best;
}

/** softmax(z/temperature) after top-k and then top-p, in this order, as PyTorch's generation loops have it. */
export function candidates(logits: Logits, { temperature = 1, topK, topP }: SamplingOptions): Candidates {
  const most = logits[mostLikely(logits)] as number;
  const least = topK === undefined || topK >= logits.length ? Number.NEGATIVE_INFINITY : largest(logits, topK);
  const weights = new Float64Array(logits.length);
  const kept: number[] = [];
  let total = 0;
  for (let token = 0; token < logits.length; token++) {
    const z = logits[token] as number;
    if (z < least) continue;
    const weight = Math.exp((z - most) / temperature);
    if (weight === 0) continue;
    weights[token] = weight;
    total += weight;
    kept.push(token);
  }
  const likely = kept.sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b);
  const count = topP === undefined ? likely.length : nucleus(likely, weights, topP * total);
  const tokens = Uint32Array.from(likely.slice(0, count));
  const sum = tokens.reduce((all, token) => all + (weights[token] as number), 0);
  return { tokens, probabilities: Float64Array.from(tokens, (token) => (weights[token] as number) / sum) };
}

/** How many of the most likely tokens it takes to reach `mass`: at least one. */
function nucleus(likely: readonly number[], weights: Float64Array, mass: number): number {
  let sum = 0;
  for (let count = 0; count < likely.length; count++) {
    if (sum >= mass && count > 0) return count;
    sum += weights[likely[count] as number] as number;
  }
  return likely.length;
}

/** The k-th largest of the logits, by a heap of the k largest so far, the least of them on top. */
function largest(logits: Logits, k: number): number {
  const heap = Float64Array.from(logits.subarray(0, k)).sort();
  for (let i = k; i < logits.length; i++) {
    const value = logits[i] as number;
    if (value > (heap[0] as number)) sink(heap, value);
  }
  return heap[0] as number;
}

function sink(heap: Float64Array, value: number): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
    if ((heap[child] as number) >= value) break;
    heap[at] = heap[child] as number;
    at = child;
  }
  heap[at] = value;
}

/** The token where `u`, uniform in [0, 1), falls among the probabilities. */
export function drawn({ tokens, probabilities }: Candidates, u: number): number {
  let sum = 0;
  for (let i = 0; i < tokens.length; i++) {
    sum += probabilities[i] as number;
    if (u < sum) return tokens[i] as number;
  }
  return tokens.at(-1) as number;
}

function notFinite(): HopfcoleError {
  return new HopfcoleError(
    'RUN_FAILED',
    'the logits of the next token hold a NaN, or nothing finite',
    {},
    'Compute in float32, or look for NaN in the weights',
  );
}
