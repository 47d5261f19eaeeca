import { as, ints, scalar } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { layer, type Module } from '../module.ts';
import { type Attended, type AttendOptions, attend } from './attend.ts';
import { extraRows, layoutOf, linearProjections, type ProjectionOptions, packedProjections } from './layout.ts';

export interface MultiHeadAttentionOptions extends Omit<AttendOptions, 'appended'>, ProjectionOptions {
  /** What is read; default: the query itself (self-attention), and `key` for `value`. */
  readonly key?: Value | undefined;
  readonly value?: Value | undefined;
  /** nn.MultiheadAttention's attn_mask, [time, keys] or [batch * heads, time, keys]: true is NOT read; or numbers to add. */
  readonly attnMask?: Value | undefined;
  /** One more key and value of its own, the parameters `bias_k` and `bias_v`. Default: as the checkpoint has. */
  readonly addBiasKv?: boolean | undefined;
  /** One more key and value of zeros. */
  readonly addZeroAttn?: boolean | undefined;
  /** Default true: [batch, time, features]; false: [time, batch, features], PyTorch's default. */
  readonly batchFirst?: boolean | undefined;
  /** Features of the result; default: those of the query. */
  readonly out?: number | undefined;
}

/**
 * Multi-head attention with its projections: query [batch, time, E] (or [time, E]) -> [batch, time, E]. All layouts of PyTorch: nn.MultiheadAttention,
 * separate or fused Linears, Conv1D. The heads are exact, each the Gibbs average of its own solution; the projections carry values.
 * @throws SHAPE_MISMATCH, BAD_SPEC, BAD_ARGUMENT naming the layers
 */
export function multiHeadAttention(module: Module, query: Value, options: MultiHeadAttentionOptions): Attended {
  return layer(multiHeadAttention, module, 'multi-head-attention', () => {
    const { batchFirst = true, heads } = options;
    const rank = module.rank(query, [2, 3], '[batch, time, features] or [time, features]');
    const turned = new Map<Value, Value>();
    const arranged = (x: Value): Value => {
      module.rank(x, [rank], rank === 2 ? '[time, features], as the query' : '[batch, time, features]');
      const found = turned.get(x) ?? (rank === 2 ? op.unsqueeze(x, ints(0)) : batchFirst ? x : swapped(x));
      turned.set(x, found);
      return found;
    };
    const q = arranged(query);
    const k = options.key === undefined ? q : arranged(options.key);
    const v = options.value === undefined ? k : arranged(options.value);
    const made = projected(module, q, k, v, options);
    const free = appended(module, made.embedding, options);
    const masked = attnMasked(module, options.attnMask, heads);
    const own = { ...options, ...made.heads, ...masked, appended: free };
    const read = attend(module, made.q, made.k, made.v, own);
    const out = options.out ?? made.embedding;
    const output = made.output(read.output, out);
    return { ...read, output: rank === 2 ? op.squeeze(output, ints(0)) : batchFirst ? output : swapped(output) };
  });
}

function swapped(x: Value): Value {
  return op.transpose(x, { perm: [1, 0, 2] });
}

interface Projected {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly output: (x: Value, out: number) => Value;
  readonly embedding: number;
  readonly heads: { readonly heads: number; readonly keyValueHeads: number };
}

function projected(module: Module, q: Value, k: Value, v: Value, options: MultiHeadAttentionOptions): Projected {
  const { heads, keyValueHeads = heads, headDim } = options;
  const embedding = module.features(q, undefined, 'query');
  const count = { heads, keyValueHeads };
  const layout = layoutOf(module, options);
  if (headDim === undefined && embedding % heads !== 0)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${module.describe()} divides ${embedding} features among ${heads} heads`,
      { argument: 'heads' },
      `${embedding} must be a multiple of "heads", or say "headDim"`,
    );
  if (layout === 'packed') {
    if (keyValueHeads !== heads || (headDim !== undefined && headDim * heads !== embedding))
      throw new HopfcoleError(
        'BAD_SPEC',
        `${module.describe()} has the layout of nn.MultiheadAttention, which knows neither "keyValueHeads" nor "headDim"`,
        { argument: 'layout' },
        'Add "layout": "separate", or "fused"',
      );
    const sources = {
      query: embedding,
      key: module.features(k, undefined, 'key', module.shapeOf('k_proj_weight')?.[1]),
      value: module.features(v, undefined, 'value', module.shapeOf('v_proj_weight')?.[1]),
    };
    const { query, key, value, output } = packedProjections(module, sources, options);
    return { q: query(q), k: key(k), v: value(v), output, embedding, heads: count };
  }
  const dim = headDim ?? embedding / heads;
  const widths = { query: heads * dim, key: keyValueHeads * dim, value: keyValueHeads * dim };
  if (layout !== 'separate' && (k !== q || v !== q))
    throw new HopfcoleError(
      'BAD_SPEC',
      `${module.describe()} projects queries, keys and values at once, so it can read nothing but its query`,
      { argument: 'layout' },
      'Add "layout": "separate" or "packed"',
    );
  const { query, key, value, output } = linearProjections(module, layout, widths, count, options);
  return { q: query(q), k: key(k), v: value(v), output, embedding, heads: count };
}

/** The rows that nn.MultiheadAttention adds after the keys and values. */
function appended(
  module: Module,
  embedding: number,
  { addBiasKv, addZeroAttn = false }: MultiHeadAttentionOptions,
): AttendOptions['appended'] {
  const rows: { readonly key: Value; readonly value: Value }[] = [];
  if (addBiasKv ?? module.has('bias_k') ?? false) rows.push(extraRows(module, embedding));
  const none = as(op.expand(scalar(0), ints(1, 1, embedding)), module.dtype);
  if (addZeroAttn) rows.push({ key: none, value: none });
  if (rows.length < 2) return rows[0];
  const both = (part: 'key' | 'value') =>
    op.concat(
      rows.map((row) => row[part]),
      { axis: 1 },
    );
  return { key: both('key'), value: both('value') };
}

/** attn_mask, in which true takes a key away, as `mask`. */
function attnMasked(module: Module, given: Value | undefined, heads: number): { readonly mask?: Value } {
  if (given === undefined) return {};
  const rank = module.rank(given, [2, 3], 'a mask [time, keys] or [batch * heads, time, keys]');
  const shape = op.concat([ints(-1, heads), op.shape(given, { start: 1 })], { axis: 0 });
  const mask = rank === 2 ? given : op.reshape(given, shape);
  return { mask: mask.dtype === 'bool' ? op.not(mask) : mask };
}
