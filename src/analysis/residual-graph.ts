import { isFloat } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { type Tensor, toNumbers } from '../files/tensor.ts';
import type { Model, Output } from '../graph/graph.ts';
import { inputValue } from '../graph/make.ts';
import { remake, rewriteGraph } from '../graph/passes/rewrite.ts';
import type { Value } from '../graph/value.ts';
import type { ResidualStep } from '../reading/residual.ts';
import type { Session } from '../runtime/session.ts';
import { lengths, type Open, refused } from './probe.ts';

/** Inputs of a session; `length` is what symbols that are not the batch stand for. */
export type Feeds = (session: Session, length?: number) => Map<string, Tensor>;

/** A model that also gives these values, each under a name. */
export function named(
  model: Model,
  values: readonly Value[],
  prefix: string,
): { model: Model; names: readonly string[] } {
  const names = values.map((value, index) => value.name ?? `verify/${prefix}${index}`);
  const there = new Set(model.graph.outputs.map(({ name }) => name));
  const outputs = values.flatMap((value, index) => {
    const name = names[index] ?? '';
    return there.has(name) ? [] : [{ name, value }];
  });
  return { model: { ...model, graph: { ...model.graph, outputs: [...model.graph.outputs, ...outputs] } }, names };
}

/** The model with these values as further inputs, in place of what makes them, and with outputs of its own. */
export function cutAt(model: Model, cuts: ReadonlyMap<string, Value>, outputs: readonly Output[]): Model {
  const { graph } = model;
  const values = new Map([...cuts].map(([name, state]) => [state, inputValue(name, state.type)] as const));
  const rewritten = rewriteGraph(
    { ...graph, inputs: graph.inputs.filter((own) => !values.has(own)), outputs },
    (current, node) =>
      node.outputs.some((own) => values.has(own))
        ? node.outputs.map((own, index) => values.get(own) ?? current.outputs[index])
        : undefined,
    { values },
  );
  return { ...model, graph: { ...rewritten, inputs: [...rewritten.inputs, ...values.values()] } };
}

/** Outputs of the given model that can be differentiated. */
export function floats({ graph }: Model): string[] {
  return graph.outputs.flatMap(({ name, value }) => (value.dtype !== undefined && isFloat(value.dtype) ? [name] : []));
}

/** What a runtime says of a graph it has no float64 kernels for. */
export const noKernel = new Set(['UNSUPPORTED_OPERATOR', 'UNSUPPORTED_DTYPE', 'MODEL_REFUSED']);

export async function runs(model: Model, open: Open): Promise<boolean> {
  try {
    await (await open(model)).close();
    return true;
  } catch (error) {
    if (error instanceof HopfcoleError && noKernel.has(error.code)) return false;
    throw error;
  }
}

/** A run on sample inputs, of the first of a few sizes that the model takes. */
export async function evaluate(model: Model, open: Open, feeds: Feeds): Promise<Map<string, Tensor>> {
  const session = await open(model);
  try {
    let first: unknown;
    for (const length of lengths) {
      try {
        return (await session.run(feeds(session, length))).outputs;
      } catch (error) {
        if (!(error instanceof HopfcoleError) || !refused.has(error.code)) throw error;
        first ??= error;
      }
    }
    throw first;
  } finally {
    await session.close();
  }
}

export function numbers(outputs: ReadonlyMap<string, Tensor>, name: string): Float64Array {
  const tensor = outputs.get(name);
  return tensor === undefined ? new Float64Array(0) : toNumbers(tensor);
}

/** The branch of a step computed from another state. */
export function repeated({ from, branch, nodes }: ResidualStep, x: Value): Value {
  const graph = {
    name: 'step',
    inputs: [from],
    outputs: [{ name: '', value: branch }],
    nodes,
    parameters: [],
    doc: undefined,
    metadata: new Map<string, string>(),
    origin: undefined,
  };
  const copied = rewriteGraph(graph, () => undefined, {
    values: new Map([[from, x]]),
    copy: { rename: () => undefined },
  });
  return copied.outputs[0]?.value ?? branch;
}

/** The same value under a name. */
export function relabelled(value: Value, name: string): Value {
  if (value.source.kind !== 'output') return value;
  return remake(value.source.node, { outputNames: [name] }).outputs[0] ?? value;
}
