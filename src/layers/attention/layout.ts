import { ints } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { fanInUniform, type Initial, normal, xavierUniform, zeros } from '../initial.ts';
import { linear } from '../linear.ts';
import type { Module } from '../module.ts';

/**
 * How the projections lie in a state dict. packed: nn.MultiheadAttention (`in_proj_weight` [3E, E], or `q_proj_weight`, .. where keys or values have
 * features of their own; `in_proj_bias`, `out_proj`). separate: a Linear each. fused: one Linear for all three (timm, ViT). conv1d: one, stored
 * [in, out] (GPT-2).
 */
export type ProjectionLayout = 'packed' | 'separate' | 'fused' | 'conv1d';

export interface ProjectionNames {
  readonly query?: string | undefined;
  readonly key?: string | undefined;
  readonly value?: string | undefined;
  /** Of the one Linear of fused and conv1d. */
  readonly all?: string | undefined;
  /** false: there is none here (BERT's stands elsewhere). */
  readonly output?: string | false | undefined;
}

export interface ProjectionOptions {
  /** Default: as the checkpoint has it, else packed. */
  readonly layout?: ProjectionLayout | undefined;
  /** Names of the Linears; default: those known of BERT, Llama, OPT, CLIP, timm, GPT-2 that the checkpoint has, else q_proj, k_proj, v_proj, o_proj; qkv, proj; c_attn, c_proj. */
  readonly names?: ProjectionNames | undefined;
  /** The rows of a fused weight: queries, keys, values one after the other (default), or by head, as in BLOOM and GPT-NeoX. */
  readonly order?: 'parts' | 'heads' | undefined;
  /** Default: as the checkpoint has them, else true. */
  readonly bias?: boolean | undefined;
  /** Features of each head where they are not E/heads. */
  readonly headDim?: number | undefined;
  /** How fresh weights start; default: as nn.MultiheadAttention's (packed) or nn.Linear's. */
  readonly initial?: { readonly weight: Initial; readonly bias: Initial } | undefined;
}

/** The features of queries, keys and values. */
export interface Widths {
  readonly query: number;
  readonly key: number;
  readonly value: number;
}

/** Queries, keys and values of their sources, and the projection of what is read. */
export interface Projections {
  readonly query: (x: Value) => Value;
  readonly key: (x: Value) => Value;
  readonly value: (x: Value) => Value;
  readonly output: (x: Value, out: number) => Value;
}

const known = {
  all: { fused: ['qkv', 'query_key_value', 'qkv_proj', 'in_proj', 'Wqkv'], conv1d: ['c_attn'] },
  separate: [
    ['q_proj', 'k_proj', 'v_proj'],
    ['query', 'key', 'value'],
    ['q_lin', 'k_lin', 'v_lin'],
    ['q', 'k', 'v'],
    ['to_q', 'to_k', 'to_v'],
  ],
  output: ['o_proj', 'out_proj', 'proj', 'dense', 'c_proj', 'out_lin', 'o', 'to_out.0'],
} as const;

/** The layout that is said, or that the checkpoint has. */
export function layoutOf(module: Module, { layout, names }: ProjectionOptions): ProjectionLayout {
  if (layout !== undefined) return layout;
  if (names?.query !== undefined) return 'separate';
  if (module.has('in_proj_weight') === true || module.has('q_proj_weight') === true) return 'packed';
  const has = (name: string) => module.at(name).has('weight') === true;
  if (known.all.conv1d.some(has)) return 'conv1d';
  if (names?.all !== undefined || known.all.fused.some(has)) return 'fused';
  return known.separate.some(([query]) => has(query)) ? 'separate' : 'packed';
}

/** The name that is said, the first that the checkpoint has, or the first. */
function nameOf(module: Module, said: string | undefined, candidates: readonly string[]): string {
  return said ?? candidates.find((name) => module.at(name).has('weight') === true) ?? candidates[0] ?? '';
}

function outputName(module: Module, { names }: ProjectionOptions, usual: string): string | undefined {
  if (names?.output === false) return undefined;
  if (names?.output !== undefined) return names.output;
  const found = [usual, ...known.output].find((name) => module.at(name).has('weight') === true);
  // BERT's projection stands in a module beside: where a checkpoint has none here there is none.
  return (
    found ?? (module.at(usual).has('weight') === false && module.at('query').has('weight') === true ? undefined : usual)
  );
}

/** The projections of a layout other than nn.MultiheadAttention's. */
export function linearProjections(
  module: Module,
  layout: Exclude<ProjectionLayout, 'packed'>,
  widths: Widths,
  heads: { readonly heads: number; readonly keyValueHeads: number },
  options: ProjectionOptions,
): Projections {
  const { names = {}, initial, order = 'parts' } = options;
  const dense = (name: string, x: Value, out: number) => {
    const bias = options.bias ?? module.at(name).has('bias') ?? true;
    return linear(module.at(name), x, { out, bias, initial, transposed: layout === 'conv1d' });
  };
  const output = (usual: string) => {
    const name = outputName(module, options, usual);
    return (x: Value, out: number) => (name === undefined ? x : dense(name, x, out));
  };
  if (layout === 'separate') {
    const [q, k, v] = known.separate.find(([first]) => module.at(first).has('weight') === true) ?? known.separate[0];
    return {
      query: (x) => dense(names.query ?? q, x, widths.query),
      key: (x) => dense(names.key ?? k, x, widths.key),
      value: (x) => dense(names.value ?? v, x, widths.value),
      output: output('o_proj'),
    };
  }
  const name = nameOf(module, names.all, known.all[layout]);
  const total = widths.query + widths.key + widths.value;
  const made = new Map<Value, readonly Value[]>();
  const parts = (x: Value): readonly Value[] => {
    const found = made.get(x);
    if (found !== undefined) return found;
    const all = dense(name, x, total);
    const split = order === 'heads' ? byHead(module, all, widths, heads) : apart(all, widths);
    made.set(x, split);
    return split;
  };
  return {
    query: (x) => parts(x)[0] ?? x,
    key: (x) => parts(x)[1] ?? x,
    value: (x) => parts(x)[2] ?? x,
    output: output(layout === 'conv1d' ? 'c_proj' : 'proj'),
  };
}

function apart(all: Value, { query, key, value }: Widths): readonly Value[] {
  return op.split(all, ints(query, key, value), { axis: -1 });
}

/** Rows by head of keys: [group of queries, key, value] x features (BLOOM, GPT-NeoX; Falcon where queries are grouped). */
function byHead(
  module: Module,
  all: Value,
  { query, key, value }: Widths,
  { heads, keyValueHeads: shared }: { readonly heads: number; readonly keyValueHeads: number },
): readonly Value[] {
  const dim = query / heads;
  if (key !== shared * dim || value !== key)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${module.describe()} orders rows by head, for which keys and values need the same features`,
      {
        argument: 'order',
      },
    );
  const split = op.reshape(all, ints(0, 0, shared, heads / shared + 2, dim));
  const parts = op.split(split, ints(heads / shared, 1, 1), { axis: 3 });
  return parts.map((part, index) => op.reshape(part, ints(0, 0, [query, key, value][index] ?? 0)));
}

/**
 * nn.MultiheadAttention's own: one weight of three blocks, cut on its rows so that runtimes fold the cut at load, or three where keys or values have
 * features of their own.
 */
export function packedProjections(module: Module, sources: Widths, options: ProjectionOptions): Projections {
  const { query: E, key: kdim, value: vdim } = sources;
  const apartStored = module.has('q_proj_weight') === true;
  const same = kdim === E && vdim === E && !apartStored;
  const weight = options.initial?.weight;
  const weights = same
    ? op.split(module.parameter('in_proj_weight', [3 * E, E], weight ?? xavierUniform(E, 3 * E)), ints(E, E, E), {
        axis: 0,
      })
    : (
        [
          ['q', E],
          ['k', kdim],
          ['v', vdim],
        ] as const
      ).map(([part, width]) => module.parameter(`${part}_proj_weight`, [E, width], weight ?? xavierUniform(width, E)));
  const biased = options.bias ?? module.has('in_proj_bias') ?? true;
  const biases = biased
    ? op.split(module.parameter('in_proj_bias', [3 * E], options.initial?.bias ?? zeros), ints(E, E, E), { axis: 0 })
    : [];
  const part = (index: number) => (x: Value) => {
    const W = weights[index];
    const b = biases[index];
    if (W === undefined) return x;
    const y = op.matMul(x, op.transpose(W, { perm: [1, 0] }));
    return module.mark(b === undefined ? y : op.add(y, b), 'linear');
  };
  return {
    query: part(0),
    key: part(1),
    value: part(2),
    output: (x, out) => {
      const bias = options.bias ?? module.at('out_proj').has('bias') ?? true;
      const initial = options.initial ?? { weight: fanInUniform(E), bias: zeros };
      return options.names?.output === false ? x : linear(module.at('out_proj'), x, { out, bias, initial });
    },
  };
}

/** The extra key and value of `add_bias_kv`, [1, 1, E] each. */
export function extraRows(module: Module, E: number): { readonly key: Value; readonly value: Value } {
  const start = normal(Math.sqrt(2 / (E + E)));
  return { key: module.parameter('bias_k', [1, 1, E], start), value: module.parameter('bias_v', [1, 1, E], start) };
}
