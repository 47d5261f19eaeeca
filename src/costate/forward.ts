import type { DType } from '../files/dtype.ts';
import type { Model } from '../graph/graph.ts';
import type { Shape } from '../graph/type.ts';
import { extended } from './extend.ts';
import type { NotDifferentiable } from './names.ts';
import type { Changed } from './parameters/changed.ts';
import { zerosLike } from './pieces.ts';
import { pullback } from './pullback.ts';
import { begin, type DerivativeRequest, finished } from './request.ts';
import { recorded, seedsFor, swept } from './sweep.ts';

export interface Jvp {
  /** One more input `tangent_<wrt>` per value of `wrt`; the original outputs first and unchanged, then the tangents. */
  readonly model: Model;
  readonly tangents: readonly Tangent[];
  /** The values that have a tangent among the inputs. */
  readonly wrt: readonly string[];
  readonly changed: readonly Changed[];
  readonly notDifferentiable: readonly NotDifferentiable[];
}

/** The tangent of one output. */
export interface Tangent {
  readonly of: string;
  /** The output: `jvp_<of>`. */
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * Forward mode: how the outputs move as the inputs move along tangents, J v, as a graph.
 *
 * It is made by pulling back twice: the co-state J'u is linear in u, and the co-state of <J'u, v> with respect to u is J v. So one rule per
 * operator gives both modes, and second order of each; a table of forward rules would have to be as large and tested as well. Nothing is
 * lost by it: what u goes through is dropped as nothing depends on it (u is zeros of the outputs' shapes), and what is left are the
 * products a forward sweep makes.
 */
export function jvp(given: Model, request: DerivativeRequest = {}): Jvp {
  const { model, graph, of, wrt, changed, names } = begin(given, request);
  const recording = recorded(graph, of, wrt.values);
  const probes = recording.of.map(({ name, value }) => ({ name, value: zerosLike(value) }));
  const probeOf = new Map(recording.of.map(({ name }, index) => [name, probes[index]?.value]));
  const seeds = seedsFor(recording.of, ({ name, value }) => probeOf.get(name) ?? zerosLike(value));
  const { found, left } = swept(recording, seeds, wrt);
  const bars = found.map(({ name, bar }) => ({ name, value: bar }));
  const inputs = found.map(({ name, value }) => names.input(`tangent_${name}`, value));
  const again = recorded(extended(recording.graph, inputs, bars), bars, probes);
  const along = new Map(found.map(({ name }, index) => [name, inputs[index]]));
  const movedBy = seedsFor(again.of, ({ name, value }) => along.get(name) ?? zerosLike(value));
  const wrtProbes = again.wrt.map(({ value }) => value);
  const products = pullback({ nodes: again.graph.nodes, seeds: movedBy, wrt: wrtProbes });
  const outputs = again.wrt.map(({ name, value }, index) =>
    names.output(`jvp_${name}`, products[index] ?? zerosLike(value)),
  );
  const kept = again.graph.outputs.slice(0, graph.outputs.length);
  const made = finished(model, extended({ ...again.graph, outputs: kept }, [], outputs));
  const types = new Map(made.graph.outputs.map(({ name, value }) => [name, value]));
  return {
    model: made,
    tangents: recording.of.map(({ name: output, value: { dtype, shape } }, index) => {
      const name = outputs[index]?.name ?? '';
      return { of: output, name, dtype: dtype ?? 'float32', shape: shape ?? types.get(name)?.shape };
    }),
    wrt: found.map(({ name }) => name),
    changed,
    notDifferentiable: left,
  };
}
