import { bodyOpset, domain } from '../../ops/domain.ts';
import { fromNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import { intOf } from '../graph/passes/constants.ts';
import { opsetOf } from '../graph/passes/opset/raise.ts';
import { remake } from '../graph/passes/rewrite.ts';
import type { Value } from '../graph/value.ts';
import { argumentsOf } from '../reading/arguments.ts';
import { attentionOf } from '../reading/attention.ts';
import type { Site } from '../reading/sites.ts';
import { type AttentionRow, attentionChecks, retrieval } from './attention-identities.ts';
import { type Found, places, rowOf } from './probe.ts';
import type { References } from './references.ts';
import { type Probing, precisionOf, roundingOf } from './site-checks.ts';
import { buildOn } from './splice.ts';

/** Queries compared per attention. */
const most = 8;

/** An attention as the model computes it: our operator, ONNX's, or one written out. undefined where it is none. */
export function attentionProbing(model: Model, site: Site, references: References): Probing | undefined {
  if (site.node.domain === domain) return operator(model, site, references);
  return site.node.domain === '' && site.node.opType === 'Attention'
    ? standard(site, references)
    : written(site, references);
}

function operator(model: Model, { node, kind }: Site, references: References): Probing | undefined {
  const args = argumentsOf(node);
  const [q, k, v, epsilon, mask] = ['Q', 'K', 'V', 'epsilon', 'mask'].map((name) => args.get(name));
  const output = node.outputs[0];
  if (!q || !k || !v || !epsilon || !output) return undefined;
  const weights = node.overload.split('_').includes('reading') ? node.outputs[1] : ownWeights(model, node, k);
  const wanted = { q, k, v, epsilon, output, ...(mask ? { mask } : {}), ...(weights ? { weights } : {}) };
  return {
    wanted,
    checks: (found) => {
      const own = found as Record<keyof typeof wanted, Found>;
      const lead = own.output.shape.slice(0, -1);
      const rows = places(lead, most).map((place): AttentionRow => {
        const head = place.slice(0, -1);
        const atoms = own.k.shape.at(-2) ?? 0;
        return {
          q: rowOf(own.q, place),
          k: matrixOf(own.k, head, atoms),
          v: matrixOf(own.v, head, atoms),
          bias: own.mask === undefined ? undefined : biasOf(own.mask, place, atoms, mask?.dtype === 'bool'),
          epsilon: rowOf({ ...own.epsilon, shape: [...own.epsilon.shape, 1] }, [...place, 0])[0] ?? Number.NaN,
          output: rowOf(own.output, place),
          weights: own.weights === undefined ? undefined : rowOf(own.weights, place),
        };
      });
      const precision = precisionOf(output);
      const checks = attentionChecks(rows, precision, roundingOf(q), references);
      return kind === 'hopfield' ? [...checks, retrieval(rows, precision, roundingOf(q), references)] : checks;
    },
  };
}

/** The operator's own weights: what it gives where V is the identity, [.., T, S]. */
function ownWeights(model: Model, node: Site['node'], k: Value): Value | undefined {
  const rank = k.shape?.length;
  if (rank === undefined) return undefined;
  const place = node.callee?.body.inputs.findIndex(({ name }) => name === 'V');
  const { eye } = buildOn(opsetOf(model.opsets) ?? bodyOpset, (standIn) => {
    const atoms = op.shape(standIn(k), { start: rank - 2, end: rank - 1 });
    const square = op.concat([atoms, atoms], { axis: 0 });
    const zeros = op.constantOfShape(square, { value: fromNumbers('float32', [1], [0]) });
    const identity = op.cast(op.eyeLike(zeros), { to: k.dtype ?? 'float32' });
    const lead = Array.from({ length: rank - 2 }, (_, axis) => axis);
    const axes = constant(fromNumbers('int64', [lead.length], lead));
    // Its axes before are those of K, so that any overload takes it.
    const ahead = op.concat([op.shape(standIn(k), { start: 0, end: rank - 2 }), square], { axis: 0 });
    return { eye: op.expand(lead.length === 0 ? identity : op.unsqueeze(identity, axes), ahead) };
  });
  if (eye === undefined) return undefined;
  const inputs = node.inputs.map((value, index) => (index === place ? eye : value));
  return remake(node, { inputs, infer: true, name: undefined, outputNames: [] }).outputs[0];
}

function written({ node }: Site, references: References): Probing | undefined {
  const pattern = attentionOf(node);
  if (pattern === undefined) return undefined;
  const { logits, weights, values, output } = pattern;
  return {
    wanted: { logits, weights, values, output },
    checks: (found) => {
      const own = found as Record<'logits' | 'weights' | 'values' | 'output', Found>;
      const atoms = own.logits.shape.at(-1) ?? 0;
      const rows = places(own.output.shape.slice(0, -1), most).map(
        (place): AttentionRow => ({
          // The graph's own logits, scaled and masked: k.q at eps = 1.
          q: [1],
          k: Array.from(rowOf(own.logits, place), (z) => [z]),
          v: matrixOf(own.values, place.slice(0, -1), atoms),
          bias: undefined,
          epsilon: 1,
          output: rowOf(own.output, place),
          weights: rowOf(own.weights, place),
        }),
      );
      return attentionChecks(rows, precisionOf(output), roundingOf(logits), references);
    },
  };
}

/** ONNX's Attention: softmax(scale q k' + mask) v, heads on an axis of their own or side by side; without a cache or a soft cap. */
function standard({ node }: Site, references: References): Probing | undefined {
  const [q, k, v, mask, ...more] = node.inputs;
  const [output] = node.outputs;
  const softcap = node.attributes.get('softcap');
  if (!q || !k || !v || !output || more.some((value) => value !== undefined)) return undefined;
  if (softcap?.kind === 'float' && softcap.value !== 0) return undefined;
  const causal = intOf(node, 'is_causal', 0) === 1;
  const scale = node.attributes.get('scale');
  return {
    wanted: { q, k, v, output, ...(mask ? { mask } : {}) },
    checks: (found) => {
      const own = found as Record<'q' | 'k' | 'v' | 'output', Found>;
      const counts = [intOf(node, 'q_num_heads', 0) ?? 0, intOf(node, 'kv_num_heads', 0) ?? 0] as const;
      const [queries, outputs] = [byHead(own.q, counts[0]), byHead(own.output, counts[0])];
      const [keys, values] = [byHead(own.k, counts[1]), byHead(own.v, counts[1])];
      const group = (queries.shape[1] ?? 1) / (keys.shape[1] ?? 1);
      const atoms = keys.shape[2] ?? 0;
      const epsilon = scale?.kind === 'float' ? 1 / scale.value : Math.sqrt(queries.shape[3] ?? 1);
      const rows = places(outputs.shape.slice(0, 3), most).map((place): AttentionRow => {
        const [batch = 0, head = 0, time = 0] = place;
        const shared = [batch, Math.floor(head / group)];
        const given = found.mask === undefined ? undefined : biasOf(found.mask, place, atoms, mask?.dtype === 'bool');
        // ONNX adds the mask behind the scale: before it, as a Gibbs measure has it, it is eps times as much.
        const bias = Float64Array.from({ length: atoms }, (_, j) =>
          causal && j > time ? -Infinity : (given?.[j] ?? 0) * epsilon,
        );
        return {
          q: rowOf(queries, place),
          k: matrixOf(keys, shared, atoms),
          v: matrixOf(values, shared, atoms),
          bias,
          epsilon,
          output: rowOf(outputs, place),
          weights: undefined,
        };
      });
      return attentionChecks(rows, precisionOf(output), roundingOf(q), references);
    },
  };
}

/** [batch, time, heads * d] as [batch, heads, time, d]. */
function byHead({ shape, values }: Found, heads: number): Found {
  const [batch = 0, time = 0, width = 0] = shape;
  if (shape.length !== 3 || heads === 0) return { shape, values };
  const dim = width / heads;
  const turned = new Float64Array(values.length);
  for (let row = 0; row < batch * time; row++)
    for (let head = 0; head < heads; head++) {
      const to = ((Math.floor(row / time) * heads + head) * time + (row % time)) * dim;
      turned.set(values.subarray(row * width + head * dim, row * width + (head + 1) * dim), to);
    }
  return { shape: [batch, heads, time, dim], values: turned };
}

function matrixOf(tensor: Found, head: readonly number[], rows: number): Float64Array[] {
  return Array.from({ length: rows }, (_, row) => rowOf(tensor, [...head, row]));
}

/** One row of a mask as numbers added to the logits; an axis of size 1 stands for all atoms. */
function biasOf(mask: Found, place: readonly number[], atoms: number, keeps: boolean): Float64Array {
  const row = rowOf(mask, place);
  return Float64Array.from({ length: atoms }, (_, j) => {
    const entry = row[row.length === 1 ? 0 : j] ?? 0;
    if (keeps) return entry === 0 ? -Infinity : 0;
    // The most negative number of a type stands for a masked atom.
    return entry < -1e30 ? -Infinity : entry;
  });
}
