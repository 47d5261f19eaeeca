import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers, type Tensor, tensorOf, toNumbers, viewOf } from '../files/tensor.ts';
import { type Decoder, decoderOf, type GenerationNames } from './decoder.ts';
import { candidates, checkSampling, drawn, type Logits, mostLikely, type SamplingOptions } from './sampling.ts';
import { asMap, type Feeds, type Session } from './session.ts';

export interface GenerationOptions extends SamplingOptions {
  /** How many tokens to make, for each prompt. */
  readonly maxTokens: number;
  /** Of the random numbers (default 0): the same seed gives the same tokens. */
  readonly seed?: number | undefined;
  /** A sequence ends with this token, or one of these. */
  readonly endToken?: number | readonly number[] | undefined;
  /** Stands before shorter prompts and after the end of a sequence (default 0); it is masked, and never read. */
  readonly padToken?: number | undefined;
  /** The longest sequence the model has positions for: more is refused before anything runs. */
  readonly positions?: number | undefined;
  /** Further inputs, the same at every step: the source of an encoder-decoder. */
  readonly given?: Feeds | undefined;
  readonly names?: GenerationNames | undefined;
  /** Stops between two tokens (INTERRUPTED). */
  readonly signal?: AbortSignal | undefined;
}

export interface Generated {
  /** The new tokens of each prompt, its end token included. */
  readonly tokens: number[][];
  /** Of all steps together. */
  readonly milliseconds: number;
  /** New tokens of all prompts, by the time of all steps. */
  readonly tokensPerSecond: number;
}

/**
 * Continues each prompt by a decoder: greedy by default, sampled with a temperature. A model with a cache (`past.0.key` [batch, heads, past, dim] ...
 * beside `present.0.key` ...) is given one token at each step, any other the whole sequence again; the tokens are the same.
 * @throws BAD_ARGUMENT, SHAPE_MISMATCH beyond the positions, INTERRUPTED, and what `run` throws.
 */
export async function generate(
  session: Session,
  prompts: readonly (readonly number[])[],
  options: GenerationOptions,
): Promise<Generated> {
  const tokens: number[][] = prompts.map(() => []);
  const start = performance.now();
  for await (const step of generateSteps(session, prompts, options))
    step.forEach((token, row) => {
      if (token !== undefined) tokens[row]?.push(token);
    });
  const milliseconds = performance.now() - start;
  const count = tokens.reduce((sum, row) => sum + row.length, 0);
  return { tokens, milliseconds, tokensPerSecond: milliseconds > 0 ? (1000 * count) / milliseconds : 0 };
}

/** The same, one token of each sequence at a time; undefined after the end of one. */
export async function* generateSteps(
  session: Session,
  prompts: readonly (readonly number[])[],
  options: GenerationOptions,
): AsyncGenerator<readonly (number | undefined)[], void, undefined> {
  const { maxTokens, padToken = 0, signal } = options;
  const decoder = decoderOf(session, options.names, new Set(asMap(options.given ?? {}).keys()));
  checkOptions(prompts, options, decoder);
  const ends = endsOf(options.endToken);
  const choose = chooser(options, prompts.length);
  const sequence = new Sequence(prompts, maxTokens, padToken);
  const wanted = [decoder.logits, ...decoder.caches.map(({ present }) => present)];
  let cache: Tensor[] | undefined;
  const over = prompts.map(() => false);
  for (let made = 0; made < maxTokens && !over.every((own) => own); made++) {
    if (signal?.aborted === true) throw new HopfcoleError('INTERRUPTED', 'generation was stopped');
    const feeds = new Map<string, Tensor>(asMap(options.given ?? {}));
    const from = cache === undefined ? 0 : sequence.length - 1;
    for (const [name, tensor] of sequence.feeds(decoder, from)) feeds.set(name, tensor);
    decoder.caches.forEach(({ past, empty }, index) => {
      feeds.set(past, cache?.[index] ?? empty(prompts.length));
    });
    const { outputs } = await session.run(feeds, { outputs: wanted }).catch((error: unknown) => {
      throw beyond(error, sequence.length);
    });
    if (decoder.caches.length > 0) cache = decoder.caches.map(({ present }) => outputs.get(present) as Tensor);
    const logits = outputs.get(decoder.logits) as Tensor;
    const next = over.map((own, row) => (own ? undefined : choose(lastRow(logits, row), row)));
    sequence.append(next.map((token) => token ?? padToken));
    next.forEach((token, row) => {
      if (token !== undefined && ends.has(token)) over[row] = true;
    });
    yield next;
  }
}

/** The tokens of a batch, shorter prompts padded on the left, with room for what is to come. */
class Sequence {
  length: number;
  readonly #rows: number;
  readonly #room: number;
  readonly #tokens: BigInt64Array;
  /** How many tokens of padding each row begins with. */
  readonly #padding: readonly number[];

  constructor(prompts: readonly (readonly number[])[], more: number, pad: number) {
    this.#rows = prompts.length;
    this.length = Math.max(...prompts.map(({ length }) => length));
    this.#room = this.length + more;
    this.#padding = prompts.map(({ length }) => this.length - length);
    this.#tokens = new BigInt64Array(this.#rows * this.#room).fill(BigInt(pad));
    prompts.forEach((prompt, row) => {
      const start = row * this.#room + (this.#padding[row] ?? 0);
      for (const [index, token] of prompt.entries()) this.#tokens[start + index] = BigInt(token);
    });
  }

  append(next: readonly number[]): void {
    for (const [row, token] of next.entries()) this.#tokens[row * this.#room + this.length] = BigInt(token);
    this.length++;
  }

  /** The inputs for the tokens from `from` on: themselves, which of all are real, and where each stands. */
  feeds({ tokens, mask, positions }: Decoder, from: number): [string, Tensor][] {
    const shape = [this.#rows, this.length - from];
    const part = new BigInt64Array(this.#rows * (this.length - from));
    for (let row = 0; row < this.#rows; row++)
      part.set(this.#tokens.subarray(row * this.#room + from, row * this.#room + this.length), row * (shape[1] ?? 0));
    const all: [string, Tensor][] = [
      [tokens.name, tokens.dtype === 'int64' ? tensorOf('int64', shape, part) : fromNumbers(tokens.dtype, shape, part)],
    ];
    if (mask !== undefined) {
      const whole = [this.#rows, this.length];
      all.push([
        mask.name,
        fromNumbers(
          mask.dtype,
          whole,
          this.#each(0, (index, pad) => (index < pad ? 0 : 1)),
        ),
      ]);
    }
    if (positions !== undefined)
      all.push([
        positions.name,
        fromNumbers(
          positions.dtype,
          shape,
          this.#each(from, (index, pad) => Math.max(0, index - pad)),
        ),
      ]);
    return all;
  }

  #each(from: number, value: (index: number, padding: number) => number): number[] {
    return this.#padding.flatMap((pad) =>
      Array.from({ length: this.length - from }, (_, index) => value(from + index, pad)),
    );
  }
}

/** The logits of the last position of one row: [batch, time, vocabulary], or [batch, vocabulary] already. */
function lastRow(logits: Tensor, row: number): Logits {
  const vocabulary = logits.shape.at(-1) ?? 0;
  const time = logits.shape.length === 3 ? (logits.shape[1] ?? 0) : 1;
  const start = (row * time + time - 1) * vocabulary;
  if (logits.dtype === 'float32') return viewOf(logits, 'float32').subarray(start, start + vocabulary);
  const size =
    logits.bytes.byteLength /
    Math.max(
      1,
      logits.shape.reduce((a, b) => a * b, 1),
    );
  const bytes = logits.bytes.subarray(start * size, (start + vocabulary) * size);
  return toNumbers({ dtype: logits.dtype, shape: [vocabulary], bytes });
}

/** Picks the next token of a row. Each row has random numbers of its own: what one draws does not change another. */
function chooser(options: GenerationOptions, rows: number): (logits: Logits, row: number) => number {
  const { temperature = 0, seed = 0 } = options;
  if (temperature === 0) return mostLikely;
  const generators = Array.from({ length: rows }, (_, row) =>
    xoroshiro128plus((seed ^ Math.imul(row, 0x9e3779b1)) | 0),
  );
  return (logits, row) => {
    const generator = generators[row] as ReturnType<typeof xoroshiro128plus>;
    return drawn(candidates(logits, options), uniformFloat64(generator));
  };
}

function endsOf(endToken: GenerationOptions['endToken']): ReadonlySet<number> {
  return new Set(endToken === undefined ? [] : typeof endToken === 'number' ? [endToken] : endToken);
}

function checkOptions(prompts: readonly (readonly number[])[], options: GenerationOptions, { mask }: Decoder): void {
  checkSampling(options);
  const { maxTokens, positions } = options;
  if (!(Number.isInteger(maxTokens) && maxTokens >= 0))
    throw bad('maxTokens', `expected maxTokens to be a whole number of at least 0, got ${maxTokens}`);
  const lengths = prompts.map(({ length }) => length);
  if (prompts.length === 0 || lengths.includes(0))
    throw bad('prompts', 'expected prompts of at least one token', 'Begin with the token that begins a text');
  const wrong = prompts.flat().find((token) => !(Number.isSafeInteger(token) && token >= 0));
  if (wrong !== undefined) throw bad('prompts', `expected tokens to be whole numbers of at least 0, got ${wrong}`);
  const longest = Math.max(...lengths);
  if (mask === undefined && lengths.some((length) => length !== longest))
    throw bad(
      'prompts',
      `prompts of ${Math.min(...lengths)} and ${longest} tokens need a mask, and the model has no such input`,
      'Build it with "mask": true, or generate for one length at a time',
    );
  // The last new token is never read again.
  const most = longest + maxTokens - 1;
  if (positions !== undefined && most > positions) throw tooLong(most, positions);
}

function bad(argument: string, message: string, hint?: string): HopfcoleError {
  return new HopfcoleError('BAD_ARGUMENT', message, { argument }, hint);
}

function tooLong(length: number, positions?: number): HopfcoleError {
  const most = positions === undefined ? '' : `, ${positions}`;
  return new HopfcoleError(
    'SHAPE_MISMATCH',
    `a sequence of ${length} tokens is beyond the positions the model has${most}`,
    { argument: 'maxTokens' },
    'Ask for fewer tokens, or cut the prompt',
  );
}

/** A table was read beyond its end: a position too many, or a token that is none. */
function beyond(error: unknown, length: number): unknown {
  if (!(error instanceof HopfcoleError) || !/out of (data )?bounds/i.test(error.message)) return error;
  return new HopfcoleError(
    'SHAPE_MISMATCH',
    `a sequence of ${length} tokens is beyond the positions the model has, or a token is beyond its vocabulary (${error.message})`,
    { argument: 'prompts' },
    'Ask for fewer tokens, or cut the prompt',
  );
}
