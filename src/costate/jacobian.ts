import type { DType } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import type { Graph, Model } from '../graph/graph.ts';
import { inputValue } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import { rewriteGraph } from '../graph/passes/rewrite.ts';
import { bareGraph } from '../graph/subgraph.ts';
import { describeType, type Shape } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { dependents, extended, newNodes } from './extend.ts';
import type { Named, NotDifferentiable } from './names.ts';
import type { Changed } from './parameters/changed.ts';
import { cast, int, ints, reshapeTo, shapeOf, zerosLike } from './pieces.ts';
import { pullback } from './pullback.ts';
import { replicated } from './replicate.ts';
import { begin, type DerivativeRequest, finished } from './request.ts';
import { type Found, recorded, seedsFor, swept } from './sweep.ts';

export interface JacobianOptions extends DerivativeRequest {
  /**
   * The rows along axis 0 of the output and of `wrt` are samples that do not see one another (no batch statistics): the Jacobian of each by
   * itself, `[batch, ...output, ...wrt]`.
   */
  readonly perSample?: boolean;
}

export interface Jacobian {
  /** The original outputs first and unchanged, then the Jacobians. */
  readonly model: Model;
  readonly jacobians: readonly JacobianOutput[];
  readonly changed: readonly Changed[];
  readonly notDifferentiable: readonly NotDifferentiable[];
}

export interface JacobianOutput {
  readonly wrt: string;
  /** The output: `jacobian_<wrt>`, of the output's axes followed by those of `wrt`. */
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * The Jacobian of one output (the first named) as a graph that computes all its rows.
 *
 * As a rule a Scan over the elements of the output pulls back the unit vector of each: always right, as much memory as one sweep beside the
 * result. Of samples that are independent all rows are pulled back at once: the network runs on as many copies of the batch as a sample's
 * output has elements, a batch the size of their product, which is many times faster.
 */
export function jacobian(given: Model, options: JacobianOptions = {}): Jacobian {
  const { model, graph, of, wrt, changed, names } = begin(given, options);
  const [head] = of;
  if (head === undefined || (options.of?.length ?? 1) !== 1)
    throw new HopfcoleError(
      'BAD_ARGUMENT',
      `expected one output to take the Jacobian of, got ${options.of?.length ?? 0}`,
      {
        argument: 'of',
      },
    );
  const recording = recorded(graph, [head], wrt.values);
  const output = recording.of[0] ?? head;
  // Stands for the unit vector of a row.
  const unit = inputValue(undefined, output.value.type);
  const { found, left } = swept(
    recording,
    seedsFor(recording.of, () => unit),
    wrt,
  );
  const made =
    options.perSample === true
      ? perSample(recording.graph, output, found)
      : byRow(recording.graph, output, found, unit);
  const outputs = found.map(({ name }, index) => {
    const value = made.jacobians[index];
    if (value === undefined) throw new HopfcoleError('BROKEN_GRAPH', `no Jacobian of '${name}'`);
    return names.output(`jacobian_${name}`, value);
  });
  const result = finished(model, extended(made.graph, [], outputs));
  return {
    model: result,
    jacobians: found.map(({ name, value }, index) => ({
      wrt: name,
      name: outputs[index]?.name ?? '',
      dtype: value.dtype ?? 'float32',
      shape: outputs[index]?.value.shape,
    })),
    changed,
    notDifferentiable: left,
  };
}

interface Made {
  readonly graph: Graph;
  readonly jacobians: readonly Value[];
}

/** What does not depend on the row is computed once, outside of the Scan. */
function byRow(graph: Graph, { value: y }: Named, wrt: readonly Found[], unit: Value): Made {
  const bars = wrt.map(({ bar }) => bar);
  const body = bareGraph('row', [], bars, dependents(newNodes(graph.nodes, bars), [unit]));
  const count = op.size(y);
  const places = op.range(int(0), count, int(1));
  const rows = op.scan([], [places], (_, [place]) => {
    if (place === undefined) return { carried: [] };
    const row = reshapeTo(cast(op.equal(places, place), y.dtype ?? 'float32'), y);
    const values = new Map([[unit, row]]);
    const { outputs } = rewriteGraph(body, () => undefined, { values, copy: { rename: () => undefined } });
    return { carried: [], scanned: outputs.map(({ value }) => value) };
  });
  const jacobians = wrt.map(({ value }, index) => shaped(rows[index] ?? value, [shapeOf(y), shapeOf(value)]));
  return { graph, jacobians };
}

function perSample(graph: Graph, output: Named, wrt: readonly Named[]): Made {
  const { value: y } = output;
  const batch = y.shape?.[0];
  for (const one of [output, ...wrt]) expectSamples(one, batch);
  const [sample, count] = [op.shape(y, { start: 1 }), op.shape(y, { end: 1 })];
  const width = op.reduceProd(sample, ints(0), { keepdims: 1 });
  const { nodes, copyOf } = replicated(graph, batch, width);
  const head = copyOf(y);
  // One unit vector per copy of the batch, the same for all its samples: [width, 1, width] spread over the batch.
  const place = op.range(int(0), op.squeeze(width, ints(0)), int(1));
  const unit = cast(op.equal(op.unsqueeze(place, ints(1, 2)), place), y.dtype ?? 'float32');
  const spread = op.expand(unit, op.concat([ints(1), count, ints(1)], { axis: 0 }));
  const seeds = new Map([[head, op.reshape(spread, op.shape(head), { allowzero: 1 })]]);
  const values = wrt.map(({ value }) => copyOf(value));
  const bars = pullback({ nodes, seeds, wrt: values });
  const jacobians = wrt.map(({ value }, index) => {
    const inner = op.shape(value, { start: 1 });
    const bar = bars[index] ?? zerosLike(values[index] ?? value);
    // [width batch, inner] -> [batch, width, inner] -> [batch, sample, inner]
    const flat = op.reshape(
      bar,
      op.concat([width, count, op.reduceProd(inner, ints(0), { keepdims: 1 })], { axis: 0 }),
      {
        allowzero: 1,
      },
    );
    return shaped(op.transpose(flat, { perm: [1, 0, 2] }), [count, sample, inner]);
  });
  return { graph, jacobians };
}

function shaped(value: Value, parts: readonly Value[]): Value {
  return op.reshape(value, op.concat([...parts], { axis: 0 }), { allowzero: 1 });
}

function expectSamples({ name, value }: Named, batch: Exclude<Shape, undefined>[number]): void {
  if (typeof batch === 'string' && value.shape?.[0] === batch) return;
  throw new HopfcoleError(
    'BAD_ARGUMENT',
    `expected samples along axis 0 of '${name}', the same symbol in the output and in what it is differentiated by, got ${describeType(value.type)}`,
    { argument: 'perSample', tensor: name },
    'Export the model with a dynamic batch, or take the whole Jacobian',
  );
}
