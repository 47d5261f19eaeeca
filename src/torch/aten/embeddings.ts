import { paddingKey } from '../../costate/padding.ts';
import { constant, makeNode } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf, sizeAt, vectorOf } from '../lower/sizes.ts';
import { wholeNumbers } from './indexing.ts';
import { steps } from './size-math.ts';

function refuseCounted(call: Call): void {
  call.ignore('sparse');
  if (call.bool('scale_grad_by_freq', false)) throw call.unsupported('scale_grad_by_freq=True');
}

/** Rows of a table whose padding row is never trained: its co-state gets nothing. */
function padded(rows: Value, padding: number): Value {
  if (rows.source.kind !== 'output') return rows;
  const { node } = rows.source;
  const inferred = node.outputs.map(({ type, known }) => ({ type, known }));
  const metadata = new Map([...node.metadata, [paddingKey, String(padding)]]);
  return makeNode({ ...node, metadata, outputCount: 1, inferred }).outputs[0] ?? rows;
}

/** A bag for every index: how many bags have begun up to its place, less one. */
function bagOf(count: Value, offsets: Value): Value {
  const places = op.range(constant(0, 'int64'), count, constant(1, 'int64'));
  const begun = op.lessOrEqual(
    op.unsqueeze(offsets, constant([0], 'int64')),
    op.unsqueeze(places, constant([1], 'int64')),
  );
  const bags = op.reduceSum(cast(begun, 'int64'), constant([1], 'int64'), { keepdims: 0 });
  return op.sub(bags, constant(1, 'int64'));
}

const modes = ['sum', 'mean', 'max'] as const;

/** Rows of a table, summed (or their mean, or maximum) over the bags that begin at `offsets`. */
const embeddingBag: Lowering = (call): Result[] => {
  refuseCounted(call);
  const [weight, indices] = [call.tensor('weight'), wholeNumbers(call.tensor('indices'))];
  const all = cast(call.tensor('offsets'), 'int64');
  const mode = modes[call.int('mode', 0)];
  const dtype = weight.dtype ?? 'float32';
  const wide = dtype === 'float16' ? 'float32' : dtype;
  const size = sizeAt(all, 0);
  // With the last offset, where the last bag ends, there is one more than there are bags.
  const withLast = call.bool('include_last_offset', false);
  const offsets = withLast
    ? op.slice(all, constant([0], 'int64'), constant([-1], 'int64'), constant([0], 'int64'))
    : all;
  const bags = typeof size === 'number' ? (withLast ? size - 1 : size) : sizeAt(offsets, 0);
  const bag = bagOf(op.size(indices), offsets);
  const padding = call.has('padding_idx') ? call.int('padding_idx') : -1;
  const rows = cast(op.gather(weight, indices, { axis: 0 }), wide);
  const places = op.unsqueeze(bag, constant([1], 'int64'));
  const kept = padding < 0 ? undefined : op.not(op.equal(cast(indices, 'int64'), constant(padding, 'int64')));
  const shape = vectorOf([bags, sizeAt(weight, 1)]);
  const counted = kept === undefined ? op.expand(constant(1, wide), op.shape(bag)) : cast(kept, wide);
  const counts = () =>
    op.scatterND(op.expand(constant(0, wide), vectorOf([bags])), places, counted, { reduction: 'add' });
  const column = (x: Value) => op.unsqueeze(x, constant([1], 'int64'));
  const results = (value: Value): Result[] => [cast(value, dtype), bag, undefined, undefined];
  if (mode === 'max') {
    call.ignore('per_sample_weights');
    const low = constant(Number.NEGATIVE_INFINITY, wide);
    const eligible = kept === undefined ? rows : op.where(column(kept), rows, low);
    const greatest = op.scatterND(op.expand(low, shape), places, eligible, { reduction: 'max' });
    return results(op.where(column(op.greater(counts(), constant(0, wide))), greatest, constant(0, wide)));
  }
  const weights = call.optionalTensor('per_sample_weights');
  const factor =
    weights === undefined
      ? kept === undefined
        ? undefined
        : counted
      : kept === undefined
        ? cast(weights, wide)
        : op.mul(cast(weights, wide), counted);
  const scaled = factor === undefined ? rows : op.mul(rows, column(factor));
  const sums = op.scatterND(op.expand(constant(0, wide), shape), places, scaled, { reduction: 'add' });
  if (mode === 'sum') return results(sums);
  return results(op.div(sums, column(op.max([counts(), constant(1, wide)]))));
};

/** One row for each class: where it equals the number of the column. */
const oneHot: Lowering = (call) => {
  const x = cast(call.tensor('self'), 'int64');
  const classes = call.size('num_classes', -1);
  if (classes === -1) {
    // As many as the greatest asks for.
    const most = op.reduceMax(op.reshape(x, constant([-1], 'int64')), undefined, { keepdims: 0 });
    return hot(x, op.range(constant(0, 'int64'), op.add(most, constant(1, 'int64')), constant(1, 'int64')));
  }
  return hot(x, steps(classes));
};

function hot(x: Value, numbers: Value): Value {
  return cast(op.equal(op.unsqueeze(x, constant([rankOf(x)], 'int64')), numbers), 'int64');
}

export const embeddingRules: Rules = {
  'aten.embedding.default': (call) => {
    refuseCounted(call);
    const padding = call.int('padding_idx', -1);
    const found = op.gather(call.tensor('weight'), wholeNumbers(call.tensor('indices')), { axis: 0 });
    return padding < 0 ? found : padded(found, padding);
  },
  'aten.embedding_bag.default': embeddingBag,
  'aten.embedding_bag.padding_idx': embeddingBag,
  'aten._embedding_bag.default': embeddingBag,
  'aten._embedding_bag_forward_only.default': embeddingBag,
  'aten.one_hot.default': oneHot,
};
