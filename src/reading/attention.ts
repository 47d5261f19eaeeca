import type { Node, Value } from '../graph/value.ts';
import { makerOf, numberOf, through } from './arguments.ts';

/** The parts of an attention that is written out: softmax(q k' scale + mask) v. */
export interface AttentionPattern {
  /** softmax's node, and its input and output. */
  readonly softmax: Node;
  readonly logits: Value;
  readonly weights: Value;
  /** q [.., T, d], and the keys as the product takes them, [.., d, S]. */
  readonly query: Value;
  readonly keys: Value;
  readonly values: Value;
  readonly output: Value;
  /** sqrt(d_k) as usual; what the products are divided by; null where the graph computes it. */
  readonly epsilon: number | null;
}

/** The attention whose last product this node is: MatMul(Softmax(.. MatMul(q, k') ..), v). */
export function attentionOf(product: Node): AttentionPattern | undefined {
  const [weights, values] = product.inputs;
  const [output] = product.outputs;
  if (product.opType !== 'MatMul' || product.domain !== '' || !weights || !values || !output) return undefined;
  const softmax = makerOf(overMasks(through(weights)));
  const logits = softmax?.inputs[0];
  if (softmax === undefined || softmax.opType !== 'Softmax' || softmax.domain !== '' || logits === undefined)
    return undefined;
  const found = scoresOf(logits);
  const [query, keys] = found?.product.inputs ?? [];
  const made = softmax.outputs[0];
  if (found === undefined || query === undefined || keys === undefined || made === undefined) return undefined;
  const scale = found.scale * scaleOf(query) * scaleOf(keys);
  const epsilon = Number.isNaN(scale) ? null : Number((1 / scale).toPrecision(6));
  return { softmax, logits, weights: made, query, keys, values, output, epsilon };
}

/** Exporters guard rows that are all masked: Where(IsNaN(softmax), 0, softmax). */
function overMasks(value: Value | undefined): Value | undefined {
  const node = makerOf(value);
  return node?.opType === 'Where' ? (through(node.inputs[2]) ?? value) : value;
}

/** The product q k' behind the logits, through masks and scales. */
function scoresOf(logits: Value): { readonly product: Node; readonly scale: number } | undefined {
  let scale = 1;
  let node = makerOf(logits);
  for (let depth = 0; node !== undefined && depth < 12; depth++) {
    if (node.domain !== '') return undefined;
    const [a, b] = node.inputs;
    switch (node.opType) {
      case 'MatMul':
        return { product: node, scale };
      case 'Mul':
      case 'Div': {
        const [constant, other] = numberOf(b) === undefined && node.opType === 'Mul' ? [a, b] : [b, a];
        const factor = numberOf(constant) ?? (isOneNumber(constant) ? Number.NaN : undefined);
        if (factor === undefined) return undefined;
        scale *= node.opType === 'Mul' ? factor : 1 / factor;
        node = makerOf(other);
        break;
      }
      case 'Add':
        // The mask may stand on either side: the product is the one that leads to a MatMul.
        node = leadsToProduct(a) ? makerOf(a) : makerOf(b);
        break;
      case 'Where':
        node = leadsToProduct(b) ? makerOf(b) : makerOf(node.inputs[2]);
        break;
      case 'Reshape':
        node = makerOf(a);
        break;
      default:
        return undefined;
    }
  }
  return undefined;
}

function leadsToProduct(value: Value | undefined): boolean {
  let node = makerOf(value);
  for (let depth = 0; node !== undefined && depth < 6; depth++) {
    if (node.opType === 'MatMul') return true;
    if (!['Mul', 'Div', 'Add', 'Where', 'Reshape'].includes(node.opType)) return false;
    node = makerOf(node.inputs[node.opType === 'Where' ? 1 : 0]);
  }
  return false;
}

/** By what a query or key was multiplied (exporters put sqrt(scale) on each): 1 where by nothing, NaN where by a number that is computed. */
function scaleOf(value: Value): number {
  let node = makerOf(value);
  for (let depth = 0; node !== undefined && depth < 4; depth++) {
    if (node.domain !== '') return 1;
    const [a, b] = node.inputs;
    if (node.opType === 'Mul' || node.opType === 'Div') {
      const factor = numberOf(b) ?? (node.opType === 'Mul' ? numberOf(a) : undefined);
      if (factor === undefined) return [a, b].some(isOneNumber) ? Number.NaN : 1;
      return node.opType === 'Mul' ? factor : 1 / factor;
    }
    if (node.opType !== 'Transpose' && node.opType !== 'Reshape') return 1;
    node = makerOf(a);
  }
  return 1;
}

function isOneNumber(value: Value | undefined): boolean {
  return value?.shape?.every((dim) => dim === 1) === true;
}
