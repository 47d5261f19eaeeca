import { intOf } from '../graph/passes/constants.ts';
import type { Node, Value } from '../graph/value.ts';
import { makerOf } from '../reading/arguments.ts';
import type { Site } from '../reading/sites.ts';
import { headChecks } from './head-identities.ts';
import { pooledWindows } from './pooling.ts';
import { type Found, queries } from './probe.ts';
import type { References } from './references.ts';
import { type Probing, precisionOf } from './site-checks.ts';
import { type UnitRow, unitChecks } from './unit-identities.ts';
import { spread } from './vectors.ts';

/** Values compared per unit. */
const most = 64;

/** Softplus, ReLU, maximum and log-sum-exp by operators whose arguments are all the atoms there are. */
export function unitProbing(site: Site, references: References): Probing | undefined {
  const { node, kind } = site;
  const f = node.outputs[0];
  if (f === undefined) return undefined;
  if (kind === 'relu' || kind === 'softplus') return pointwise(site, f, references);
  if (kind === 'max' && (node.opType === 'MaxPool' || node.opType === 'GlobalMaxPool'))
    return pooled(node, f, references);
  if (node.opType === 'ReduceMax' || node.opType === 'ReduceLogSumExp') return reduced(node, f, references);
  return undefined;
}

function pointwise(site: Site, f: Value, references: References): Probing | undefined {
  const found = argumentOf(site.node);
  if (found === undefined) return undefined;
  const { z, epsilon } = found;
  return {
    wanted: { z, f, ...(typeof epsilon === 'object' ? { epsilon } : {}) },
    checks: (own) => {
      const [zs, fs] = [own.z?.values ?? [], own.f?.values ?? []];
      const rows = spread(fs.length, most).map((i): UnitRow => ({ z: [zs[i] ?? Number.NaN], f: fs[i] ?? Number.NaN }));
      const eps = typeof epsilon === 'object' ? (own.epsilon?.values[0] ?? Number.NaN) : epsilon;
      return unitChecks(rows, eps, 'against zero', precisionOf(f), references);
    },
  };
}

/** What a unit acts on: Relu(z), Softplus(z), or max(z, 0) + eps log(1 + exp(-|z|/eps)) written out. */
function argumentOf(node: Node): { readonly z: Value; readonly epsilon: number | Value } | undefined {
  const [first, second] = node.inputs;
  if (node.opType === 'Relu' && first !== undefined) return { z: first, epsilon: 0 };
  if (node.opType === 'Softplus' && first !== undefined) return { z: first, epsilon: 1 };
  const [ahead, tail] = [makerOf(first), makerOf(second)];
  const z = ahead?.opType === 'Relu' ? ahead.inputs[0] : undefined;
  const epsilon = tail?.opType === 'Mul' ? tail.inputs[0] : undefined;
  return z === undefined || epsilon === undefined ? undefined : { z, epsilon };
}

/** ReduceMax and ReduceLogSumExp over the last axis. */
function reduced(node: Node, f: Value, references: References): Probing | undefined {
  const [z, axes] = node.inputs;
  if (z === undefined) return undefined;
  const epsilon = node.opType === 'ReduceMax' ? 0 : 1;
  return {
    wanted: { z, f, ...(axes === undefined ? {} : { axes }) },
    checks: (own) => {
      const zs = own.z as Found;
      const [axis, ...more] = Array.from(own.axes?.values ?? axesOf(node));
      const last = axis === -1 || axis === zs.shape.length - 1;
      if (!last || more.length > 0) return [];
      const width = zs.shape.at(-1) ?? 0;
      const rows = spread(own.f?.values.length ?? 0, most).map(
        (i): UnitRow => ({
          z: zs.values.subarray(i * width, (i + 1) * width),
          f: own.f?.values[i] ?? Number.NaN,
        }),
      );
      return unitChecks(rows, epsilon, 'all', precisionOf(f), references);
    },
  };
}

/** Before opset 13 (18) the axes are an attribute. */
function axesOf(node: Node): readonly number[] {
  const axes = node.attributes.get('axes');
  return axes?.kind === 'ints' ? Array.from(axes.value, Number) : [];
}

function pooled(node: Node, f: Value, references: References): Probing | undefined {
  const x = node.inputs[0];
  if (x === undefined) return undefined;
  return {
    wanted: { x, f },
    checks: (own) => {
      const [input, output] = [own.x as Found, own.f as Found];
      const windows = pooledWindows(node, input, output.shape, spread(output.values.length, most));
      const rows = windows.map(([place, z]): UnitRow => ({ z, f: output.values[place] ?? Number.NaN }));
      return unitChecks(rows, 0, 'all', precisionOf(f), references);
    },
  };
}

/** A softmax over the last axis: its own logits and weights, as the model computes both. */
export function headProbing(site: Site, z: Value, epsilon: Value | undefined): Probing | undefined {
  const pi = site.node.outputs[0];
  const axis = intOf(site.node, 'axis', -1);
  if (pi === undefined || (axis !== -1 && axis !== (z.shape?.length ?? 0) - 1)) return undefined;
  return {
    wanted: { z, pi, ...(epsilon === undefined ? {} : { epsilon }) },
    checks: (own) => {
      const width = own.z?.shape.at(-1) ?? 1;
      const [zs, pis] = [own.z?.values ?? new Float64Array(0), own.pi?.values ?? new Float64Array(0)];
      const weights = site.node.opType === 'LogSoftmax' ? pis.map(Math.exp) : pis;
      const rows = spread(width === 0 ? 0 : zs.length / width, queries).map((row) => ({
        z: zs.subarray(row * width, (row + 1) * width),
        pi: weights.subarray(row * width, (row + 1) * width),
      }));
      const temperature = epsilon === undefined ? 1 : (own.epsilon?.values[0] ?? Number.NaN);
      return headChecks(rows, temperature, precisionOf(z));
    },
  };
}
