import { paddingKey } from '../costate/padding.ts';
import { HopfcoleError } from '../files/error.ts';
import * as op from '../graph/op.ts';
import { describeShape } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { normalExceptRow } from './initial.ts';
import { layer, type Module, makerOf } from './module.ts';

export interface EmbeddingOptions {
  /** Rows of the table (num_embeddings); may be left out where a checkpoint says them. */
  readonly entries?: number | undefined;
  /** Features of each row (embedding_dim). */
  readonly features?: number | undefined;
  /** This row starts at zero and is never trained: its co-state is zero, as PyTorch's gradient. */
  readonly paddingIdx?: number | undefined;
  /** Standard deviation of a fresh table; default 1, as PyTorch's. */
  readonly std?: number | undefined;
  /** What `entries` and `features` are called where they are said, for errors: a model's `vocabulary` and `hidden`. */
  readonly called?: readonly [entries: string, features: string] | undefined;
  /** Full name of the table where it is not `<path>.weight`: the same name twice ties weights. */
  readonly weight?: string | undefined;
}

/** nn.Embedding: indices [..] of int32 or int64 -> [.., features], the rows of `weight` [entries, features]. */
export function embedding(module: Module, indices: Value, options: EmbeddingOptions = {}): Value {
  return layer(embedding, module, 'embedding', () => {
    if (indices.dtype !== undefined && indices.dtype !== 'int64' && indices.dtype !== 'int32')
      throw new HopfcoleError(
        'DTYPE_MISMATCH',
        `${module.describe()} expects int64 or int32 indices, but ${makerOf(indices)} gives ${indices.dtype} ${describeShape(indices.shape)}`,
        { argument: 'indices' },
        'Set "dtype" of the input to int64',
      );
    const [place, name] = options.weight === undefined ? [module, 'weight'] : [module.root, options.weight];
    const [rows, width] = options.called ?? ['entries', 'features'];
    const entries = place.size(options.entries, rows, name, 0);
    const features = place.size(options.features, width, name, 1);
    const { paddingIdx } = options;
    const row = paddingIdx !== undefined && paddingIdx < 0 ? paddingIdx + entries : paddingIdx;
    if (row !== undefined && !(Number.isInteger(row) && row >= 0 && row < entries))
      throw new HopfcoleError('BAD_ARGUMENT', `expected paddingIdx within the ${entries} entries, got ${paddingIdx}`, {
        argument: 'paddingIdx',
      });
    const table = place.parameter(name, [entries, features], normalExceptRow(options.std ?? 1, row, features));
    const metadata = row === undefined ? undefined : new Map([[paddingKey, String(row)]]);
    return module.mark(op.gather(table, indices, { axis: 0 }), 'embedding', { metadata });
  });
}
