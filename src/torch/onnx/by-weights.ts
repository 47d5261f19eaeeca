import type { Changed } from '../../costate/parameters/changed.ts';
import { laidOut } from '../../costate/parameters/layout.ts';
import { isFloat } from '../../files/dtype.ts';
import { type AnyTensor, load } from '../../files/tensor.ts';
import type { Graph, Model } from '../../graph/graph.ts';
import { makeValue, parameter } from '../../graph/make.ts';
import { withMetadata } from '../../graph/module-path.ts';
import * as op from '../../graph/op.ts';
import { intOf } from '../../graph/passes/constants.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import { modulePathOf } from '../../graph/place.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyNode } from '../../graph/walk.ts';
import { weightOf } from './evidence.ts';
import type { Restored } from './restore.ts';
import { Checkpoint, foldedNorm, type Unfolded } from './unfold.ts';

/**
 * What a checkpoint tells of a model's parameters beyond what the file does: names of those whose numbers it has under another name, and the
 * batch normalisations that were folded into convolutions and linear layers, which become operators of their own again.
 * Numbers move by rounding where one is unfolded, and nowhere else.
 */
export async function restoreByWeights(model: Model, tensors: ReadonlyMap<string, AnyTensor>): Promise<Restored> {
  const checkpoint = new Checkpoint(tensors);
  const unfolded = await unfoldNorms(model, checkpoint);
  const named = await nameByNumbers(unfolded.model.graph, tensors);
  return { model: { ...unfolded.model, graph: named.graph }, changed: [...unfolded.changed, ...named.changed] };
}

/** Which axis of the weight is the output's channels, of the operators that exporters fold into. */
function channelAxis(node: Node): number | undefined {
  if (node.domain !== '') return undefined;
  if (node.opType === 'Conv') return 0;
  // The channels of a transposed convolution of groups do not stand along one axis.
  if (node.opType === 'ConvTranspose') return intOf(node, 'group', 1) === 1 ? 1 : undefined;
  return node.opType === 'Gemm' && intOf(node, 'transB', 0) === 1 ? 0 : undefined;
}

async function unfoldNorms(model: Model, checkpoint: Checkpoint): Promise<Restored> {
  if (checkpoint.norms.length === 0) return { model, changed: [] };
  const plans = new Map<Node, Unfolded>();
  const changed: Changed[] = [];
  for (const node of everyNode(model.graph)) {
    const axis = channelAxis(node);
    const [, weight, bias] = node.inputs;
    const tensor = weightOf(weight);
    if (axis === undefined || tensor === undefined || (bias !== undefined && weightOf(bias) === undefined)) continue;
    const name = weight?.name ?? '';
    const path = modulePathOf(node);
    const preferred = name.endsWith('.folded') ? name.slice(0, -'.folded'.length) : path && `${path}.weight`;
    const plan = await foldedNorm(tensor, weightOf(bias), axis, checkpoint, { weight: preferred, norm: path });
    if (plan === undefined) continue;
    plans.set(node, plan);
    const why = `the exporter folded the batch normalization ${plan.norm.slice(0, -1)} into it; they are apart again`;
    for (const one of [plan.weight, plan.bias, plan.scale, plan.shift, plan.mean, plan.variance])
      if (one !== undefined)
        changed.push({ name: one, why: one === plan.weight ? why : `it was folded into ${plan.weight}` });
  }
  if (plans.size === 0) return { model, changed: [] };
  const made = new Map<string, Value>();
  const get = (name: string): Value => {
    const tensor = checkpoint.get(name);
    const value = made.get(name) ?? (tensor === undefined ? undefined : parameter(name, tensor));
    if (value === undefined) throw new Error(`the checkpoint has no ${name}`);
    made.set(name, value);
    return value;
  };
  const graph = rewriteGraph(model.graph, (node, original) => {
    const plan = plans.get(original);
    return plan === undefined ? undefined : [apart(node, plan, get)];
  });
  const gone = new Set([...plans.keys()].flatMap(({ inputs }) => inputs.slice(1)));
  return { model: { ...model, graph: withoutUnread(graph, gone) }, changed };
}

/** The product with its own weights, and the normalisation after it. */
function apart(node: Node, plan: Unfolded, get: (name: string) => Value): Value {
  const { weight, bias, scale, shift, mean, variance, epsilon } = plan;
  const [x] = node.inputs;
  const [result] = node.outputs;
  const inputs = bias === undefined ? [x, get(weight)] : [x, get(weight), get(bias)];
  const [product = node.outputs[0] as Value] = remake(node, {
    inputs,
    outputNames: [undefined],
    origin: undefined,
  }).outputs;
  const average = get(mean);
  const like = (value: number): Value => filled(average, value);
  const [normal = product] = withMetadata(node.metadata, () =>
    op.batchNormalization(
      product,
      scale === undefined ? like(1) : get(scale),
      shift === undefined ? like(0) : get(shift),
      average,
      get(variance),
      { epsilon },
    ),
  );
  if (normal.source.kind !== 'output') return normal;
  // One output and nothing said of training, as operators of every version have it.
  const attributes = new Map([['epsilon', { kind: 'float', value: epsilon } as const]]);
  const alone = { outputCount: 1, outputNames: [result?.name], attributes };
  return remake(normal.source.node, alone).outputs[0] ?? normal;
}

function filled(like: Value, value: number): Value {
  const count = Number(like.shape?.[0] ?? 0);
  return op.constant({ valueFloats: new Array<number>(count).fill(value) });
}

/** Parameters under names that the checkpoint does not have, of numbers that it has: as they are, or transposed. */
async function nameByNumbers(
  graph: Graph,
  tensors: ReadonlyMap<string, AnyTensor>,
): Promise<{ readonly graph: Graph; readonly changed: readonly Changed[] }> {
  const held = new Set(graph.parameters.map(({ name }) => name ?? ''));
  const missing = [...tensors].filter(([name, { dtype }]) => !held.has(name) && isFloat(dtype));
  const values = new Map<Value, Value>();
  const first: Node[] = [];
  const added: Value[] = [];
  const changed: Changed[] = [];
  for (const value of graph.parameters) {
    const tensor = weightOf(value);
    const { name = '' } = value;
    if (tensor === undefined || tensors.has(name) || count(tensor) < 2) continue;
    const alike = missing.filter(([, one]) => one.dtype === tensor.dtype && count(one) === count(tensor));
    for (const [original, one] of alike) {
      if (added.some((other) => other.name === original)) continue;
      const layout = laidOut(await load(one), await load(tensor));
      if (layout === undefined || layout.kind === 'reshape' || layout.kind === 'expand') continue;
      const renamed =
        layout.kind !== 'transpose' ? makeValue(value.source, value.type, original) : parameter(original, one);
      const stands = layout.kind === 'transpose' ? op.transpose(renamed, { perm: layout.perm }) : renamed;
      if (stands.source.kind === 'output') first.push(stands.source.node);
      values.set(value, stands);
      added.push(renamed);
      changed.push({
        name: original,
        why: `the exporter stored it ${layout.kind === 'same' ? '' : 'transposed, '}as '${name}'`,
      });
      break;
    }
  }
  if (values.size === 0) return { graph, changed };
  const rewritten = rewriteGraph(graph, () => undefined, { values });
  const parameters = rewritten.parameters.filter((value) => value.source.kind === 'parameter');
  return {
    graph: {
      ...rewritten,
      nodes: [...first, ...rewritten.nodes.filter((node) => !first.includes(node))],
      parameters: [...new Set([...parameters, ...added])],
    },
    changed,
  };
}

function count({ shape }: AnyTensor): number {
  return shape.reduce((a, b) => a * b, 1);
}

function withoutUnread(graph: Graph, candidates: ReadonlySet<Value | undefined>): Graph {
  const read = new Set<Value | undefined>(graph.outputs.map(({ value }) => value));
  for (const node of everyNode(graph)) for (const value of node.inputs) read.add(value);
  return { ...graph, parameters: graph.parameters.filter((value) => read.has(value) || !candidates.has(value)) };
}
