import type { Graph } from '../graph/graph.ts';
import { constantIntegers, intOf } from '../graph/passes/constants.ts';
import type { Dim } from '../graph/type.ts';
import type { Node, Value } from '../graph/value.ts';
import { type ReadingDetails, type ReadingKind, readingOf } from '../layers/reading.ts';
import { makerOf } from './arguments.ts';
import { attentionOf } from './attention.ts';
import type { Found } from './operators.ts';
import { residualChains } from './residual.ts';
import { equationOf, type Site, type Sizes, siteKindOf } from './site.ts';

const number = (dim: Dim): number | null => (typeof dim === 'number' ? dim : null);
const nothing: Sizes = { atoms: null, dim: null };

function found(
  row: ReadingKind,
  epsilon: Site['epsilon'],
  details: ReadingDetails,
  sizes: Sizes = nothing,
): Found | undefined {
  const kind = siteKindOf(row);
  if (kind === undefined) return undefined;
  const reading = readingOf(row, '', { ...(typeof epsilon === 'number' ? { viscosity: epsilon } : {}), ...details });
  return { kind, ...equationOf(reading), epsilon, architecture: row, ...sizes };
}

/** Standard operators and ONNX Runtime's that are a layer of the table by themselves. */
function byOperator(node: Node): Found | undefined {
  const features = number(node.inputs[0]?.shape?.at(-1));
  switch (node.opType) {
    case 'Relu':
      return found('relu', 0, {}, { atoms: 2, dim: 1 });
    case 'Softplus':
      return found('softplus', 1, {}, { atoms: 2, dim: 1 });
    case 'MaxPool':
    case 'GlobalMaxPool': {
      const kernel = node.attributes.get('kernel_shape');
      const atoms = kernel?.kind === 'ints' ? kernel.value.reduce<number>((a, b) => a * Number(b), 1) : null;
      return found('max', 0, { equation: 'max over the window: Hopf-Lax' }, { atoms, dim: null });
    }
    case 'ReduceLogSumExp':
      return found('lse', 1, {}, { atoms: reducedSize(node), dim: null });
    case 'LSTM':
    case 'GRU':
    case 'RNN': {
      const row = node.opType.toLowerCase() as 'lstm' | 'gru' | 'rnn';
      return found(row, null, {}, { atoms: null, dim: intOf(node, 'hidden_size', 0) || null });
    }
    case 'LayerNormalization':
    case 'RMSNormalization':
    case 'GroupNormalization':
    case 'InstanceNormalization':
    case 'BatchNormalization':
    case 'SimplifiedLayerNormalization':
    case 'SkipLayerNormalization':
    case 'SkipSimplifiedLayerNormalization':
      return found('norm', null, {}, { atoms: null, dim: features });
    case 'Gelu':
    case 'FastGelu':
    case 'BiasGelu':
    case 'QuickGelu':
    case 'Mish':
    case 'HardSwish':
    case 'Swish':
    case 'Elu':
    case 'Selu':
    case 'Celu':
      return found('activation', null, {});
    case 'Attention':
    case 'MultiHeadAttention':
    case 'GroupQueryAttention':
      return operatorAttention(node);
    default:
      return undefined;
  }
}

function reducedSize(node: Node): number | null {
  const [x, axes] = node.inputs;
  const attribute = node.attributes.get('axes');
  const given = attribute?.kind === 'ints' ? attribute.value.map(Number) : constantIntegers(axes);
  const [axis, ...more] = given ?? [];
  return axis === undefined || more.length > 0 ? null : number(x?.shape?.at(axis));
}

/** The standard operator Attention (opset 23) and ONNX Runtime's: softmax(q k' scale) v. */
function operatorAttention(node: Node): Found | undefined {
  const [q, k] = node.inputs;
  const heads = intOf(node, 'q_num_heads', 0) || intOf(node, 'num_heads', 0) || number(q?.shape?.at(1)) || 0;
  const split = q?.shape?.length === 4;
  const width = number(q?.shape?.at(-1));
  const dim = split ? width : width === null || heads === 0 ? null : width / heads;
  const scale = node.attributes.get('scale');
  const epsilon = scale?.kind === 'float' && scale.value > 0 ? 1 / scale.value : dim === null ? null : Math.sqrt(dim);
  const sizes = { atoms: number(k?.shape?.at(-2)), dim, ...(heads > 0 ? { heads } : {}) };
  return found('attention', epsilon === null ? null : Number(epsilon.toPrecision(6)), {}, sizes);
}

/** Sites that no file says to be any: by their operators and how they stand together. Of the nodes of one graph, by node. */
export function structuralSites(graph: Graph): Map<Node, Found> {
  const sites = new Map<Node, Found>();
  const add = (node: Node, site: Found | undefined) => {
    if (site !== undefined) sites.set(node, site);
  };
  for (const node of graph.nodes) {
    const pattern = attentionOf(node);
    if (pattern !== undefined) add(node, patternSite(pattern.query, pattern.logits, pattern.epsilon));
    else if (node.domain === '' || node.domain === 'com.microsoft') add(node, byOperator(node));
  }
  for (const { steps } of residualChains(graph))
    for (const { to } of steps) {
      if (to.source.kind !== 'output') continue;
      add(to.source.node, found('residual', null, {}, { atoms: null, dim: number(to.shape?.at(-1)) }));
    }
  for (const { value } of graph.outputs) {
    const head = makerOf(value);
    if (head?.domain !== '' || (head.opType !== 'Softmax' && head.opType !== 'LogSoftmax')) continue;
    add(head, found('softmax-head', 1, {}, { atoms: number(head.inputs[0]?.shape?.at(-1)), dim: null }));
  }
  return sites;
}

function patternSite(query: Value, logits: Value, epsilon: number | null): Found | undefined {
  const heads = logits.shape?.length === 4 ? number(logits.shape[1]) : null;
  const sizes = { atoms: number(logits.shape?.at(-1)), dim: number(query.shape?.at(-1)) };
  const details = epsilon === null ? { viscosity: 'a scale that the graph computes' } : {};
  return found('attention', epsilon, details, heads === null ? sizes : { ...sizes, heads });
}
