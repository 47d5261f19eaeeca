import { HopfcoleError } from '../files/error.ts';
import { fromNumbers, type Tensor } from '../files/tensor.ts';
import { describeShape } from '../graph/type.ts';
import type { Session, TensorDescription } from './session.ts';

/** Names of a decoder's inputs and outputs, where they are not those that are looked for. */
export interface GenerationNames {
  /** Token ids [batch, time]; looked for: tokens, input_ids, target. */
  readonly tokens?: string | undefined;
  /** Which tokens are real [batch, past + time]; looked for: mask, attention_mask. */
  readonly mask?: string | undefined;
  /** Where tokens stand [batch, time]; looked for: positions, position_ids. */
  readonly positions?: string | undefined;
  /** [batch, time, vocabulary]; looked for: logits, output; else the only output that is no cache. */
  readonly logits?: string | undefined;
}

/** One tensor of the cache: what goes in as `past` comes out as `present`, longer, or moved on where it is a state. */
export interface CacheEntry {
  readonly past: string;
  readonly present: string;
  /** What goes in at the first step. */
  readonly empty: (batch: number) => Tensor;
}

/** How a session is used as a decoder. */
export interface Decoder {
  readonly tokens: TensorDescription;
  readonly mask: TensorDescription | undefined;
  readonly positions: TensorDescription | undefined;
  readonly logits: string;
  readonly caches: readonly CacheEntry[];
}

const pastName = /^past(_key_values)?\.(\d+\..+)$/;

/** Finds a decoder's inputs and outputs, without those that are `given`. @throws BAD_ARGUMENT where a session is none, naming what is missing. */
export function decoderOf(
  { inputs: all, outputs }: Pick<Session, 'inputs' | 'outputs'>,
  names: GenerationNames = {},
  given: ReadonlySet<string> = new Set(),
): Decoder {
  const inputs = all.filter(({ name }) => !given.has(name));
  const find = (said: string | undefined, known: readonly string[], argument: string) => {
    const found = inputs.find(({ name }) => (said === undefined ? known.includes(name) : name === said));
    if (said !== undefined && found === undefined) throw notFound(said, argument, inputs);
    return found;
  };
  const tokens = find(names.tokens, ['tokens', 'input_ids', 'target'], 'names.tokens');
  if (tokens === undefined) throw notFound('tokens', 'names.tokens', inputs);
  const caches = inputs.filter(({ name }) => pastName.test(name)).map((input) => entryOf(input, outputs));
  return {
    tokens,
    mask: find(names.mask, ['mask', 'attention_mask'], 'names.mask'),
    positions: find(names.positions, ['positions', 'position_ids'], 'names.positions'),
    logits: logitsOf(outputs, names.logits, caches),
    caches,
  };
}

function logitsOf(
  outputs: readonly TensorDescription[],
  said: string | undefined,
  caches: readonly CacheEntry[],
): string {
  const names = outputs.map(({ name }) => name);
  const known = said === undefined ? ['logits', 'output'] : [said];
  const rest = names.filter((name) => !caches.some(({ present }) => present === name));
  const found =
    known.find((name) => names.includes(name)) ?? (said === undefined && rest.length === 1 ? rest[0] : said);
  if (found === undefined || !names.includes(found))
    throw new HopfcoleError(
      'BAD_ARGUMENT',
      `the model has no output '${said ?? 'logits'}'`,
      { argument: 'names.logits' },
      `Its outputs are ${names.join(', ')}`,
    );
  return found;
}

function entryOf(input: TensorDescription, outputs: readonly TensorDescription[]): CacheEntry {
  const { name: past, dtype, shape } = input;
  const present = past.replace(pastName, 'present.$2');
  if (!outputs.some(({ name }) => name === present))
    throw new HopfcoleError('BAD_ARGUMENT', `the model takes '${past}' and does not give '${present}'`, {
      tensor: past,
    });
  const [first, second] = [shape?.[1], shape?.[2]];
  // A state of fixed size, as Mamba's: zeros before the first token.
  if (shape?.length === 3 && typeof first === 'number' && typeof second === 'number') {
    const zeros = (batch: number) => new Float64Array(batch * first * second);
    return { past, present, empty: (batch) => fromNumbers(dtype, [batch, first, second], zeros(batch)) };
  }
  const [heads, dim] = [first, shape?.[3]];
  if (shape?.length !== 4 || typeof heads !== 'number' || typeof dim !== 'number')
    throw new HopfcoleError(
      'BAD_ARGUMENT',
      `expected the cache '${past}' of shape [batch, heads, past, dim] with known heads and dim, or a state [batch, channels, size] of known sizes, got ${describeShape(shape)}`,
      { tensor: past },
    );
  return { past, present, empty: (batch) => fromNumbers(dtype, [batch, heads, 0, dim], []) };
}

function notFound(name: string, argument: string, inputs: readonly TensorDescription[]): HopfcoleError {
  return new HopfcoleError(
    'BAD_ARGUMENT',
    `the model has no input '${name}'`,
    { argument },
    `Its inputs are ${inputs.map((own) => own.name).join(', ')}`,
  );
}
