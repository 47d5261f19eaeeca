import type { DType } from '../files/dtype.ts';
import { type AnyTensor, isStored } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { input, parameter } from '../graph/make.ts';
import { type ModelSpec, model } from '../graph/model.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { initialise, seeded } from './initialise.ts';
import { composeNetwork } from './network.ts';
import { type LayerPlan, type ParameterPlan, parametersOf, planNetwork } from './plan.ts';
import type { Reading } from './reading.ts';
import type { Spec } from './spec.ts';

/** A network as a model, which equation each layer is, and what became of the parameters. */
export interface Network {
  readonly model: Model;
  readonly readings: readonly Reading[];
  readonly parameters: {
    readonly used: readonly string[];
    readonly unused: readonly string[];
    /** Not in the checkpoint, and therefore freshly drawn: only where `partial` was said. */
    readonly missing: readonly string[];
  };
  /** Parameters that are not in the model as they are in the checkpoint, and why. */
  readonly changed: readonly { readonly name: string; readonly why: string }[];
}

/** Metadata key of a model's reading: JSON, one entry per layer. */
export const readingKey = 'hopfcole.reading';

type Target = Pick<ModelSpec, 'opset' | 'ir'>;

/** A network with fresh weights: the same seed gives the same model everywhere. */
export function buildNetwork(spec: Spec, seed: number, target: Target = {}, file?: string): Network {
  const plans = planNetwork(spec, undefined, file);
  const random = seeded(seed);
  const dtype = computeDType(spec);
  const weights = new Map(parametersOf(plans).map((plan) => [plan.name, initialise(plan, dtype, random)]));
  return assemble(spec, plans, { weights, storedNames: new Map(), missing: [] }, target);
}

/**
 * A network with a checkpoint's weights, which are not copied. Names are the specification's; a prefix that stands before
 * every name (`module.`, `_orig_mod.`, `model.`, `net.`) is seen through.
 * @throws MISSING_PARAMETERS and SHAPE_MISMATCH listing everything at once; what does not compose, as `planNetwork`.
 */
export function importNetwork(
  spec: Spec,
  tensors: ReadonlyMap<string, AnyTensor>,
  target: Target = {},
  file?: string,
  partial = false,
): Network {
  const weights = seenThrough(spec, tensors);
  const shapes = new Map([...weights].map(([name, { tensor }]) => [name, tensor.shape]));
  const plans = planNetwork(spec, shapes, file, partial);
  const absent = parametersOf(plans).filter(({ name }) => !weights.has(name));
  const random = seeded(0);
  const drawn = absent.map((plan) => [plan.name, initialise(plan, computeDType(spec), random)] as const);
  const given: Weights = {
    weights: new Map([...[...weights].map(([name, { tensor }]) => [name, tensor] as const), ...drawn]),
    storedNames: new Map([...weights].map(([name, { stored }]) => [name, stored])),
    missing: absent.map(({ name }) => name),
  };
  return assemble(spec, plans, given, target);
}

interface Weights {
  readonly weights: ReadonlyMap<string, AnyTensor>;
  /** Names in the checkpoint where they differ. */
  readonly storedNames: ReadonlyMap<string, string>;
  readonly missing: readonly string[];
}

function assemble(spec: Spec, plans: readonly LayerPlan[], given: Weights, target: Target): Network {
  const { weights, storedNames, missing } = given;
  const described = spec.inputs[0];
  const dtype = computeDType(spec);
  const x = input(described?.name ?? 'input', described?.dtype ?? 'float32', described?.shape ?? []);
  const firsts = firstOfPlace(weights);
  const values = new Map<string, Value>();
  const held = new Map<string, string>();
  const changed: { name: string; why: string }[] = [];
  const parameters = (plan: ParameterPlan): Value => {
    const place = `${firsts.get(plan.name) ?? plan.name}:${plan.shape.join()}:${plan.role === 'epsilon'}`;
    const holder = held.get(place) ?? plan.name;
    held.set(place, holder);
    if (holder !== plan.name && !values.has(plan.name))
      changed.push({
        name: storedNames.get(plan.name) ?? plan.name,
        why: `tied to ${holder}, which the model holds once`,
      });
    const known = values.get(plan.name) ?? values.get(holder);
    const made = known ?? parameterValue(plan, weights, storedNames, dtype, changed);
    values.set(plan.name, made);
    return made;
  };
  const wide = described?.dtype === dtype ? x : op.cast(x, { to: dtype });
  const { output, readings } = composeNetwork(wide, plans, parameters, dtype);
  const outputDType = described?.dtype ?? dtype;
  const narrow = outputDType === dtype ? output : op.cast(output, { to: outputDType });
  const taken = new Set([...values.keys()].map((name) => firsts.get(name)));
  const used = [...values.keys()]
    .filter((name) => !missing.includes(name))
    .map((name) => storedNames.get(name) ?? name);
  return {
    model: model({
      name: spec.name,
      inputs: [x],
      outputs: { [spec.output]: narrow },
      ...target,
      metadata: { [readingKey]: JSON.stringify(readings) },
    }),
    readings,
    parameters: {
      used,
      unused: [...weights]
        .filter(([name]) => !taken.has(firsts.get(name)))
        .map(([name]) => storedNames.get(name) ?? name)
        .filter((name) => !used.includes(name) && !missing.includes(name)),
      missing,
    },
    changed,
  };
}

/** For every tensor the first that has its bytes: tied weights stand under several names in one place, and using one is using all. */
function firstOfPlace(weights: ReadonlyMap<string, AnyTensor>): Map<string, string> {
  const places = new Map<object, Map<string, string>>();
  const firsts = new Map<string, string>();
  for (const [name, tensor] of weights) {
    const stored = isStored(tensor);
    const length = stored ? tensor.range.length : tensor.bytes.byteLength;
    const owner = length === 0 ? tensor : stored ? tensor.range.source : tensor.bytes;
    const key = stored ? `${tensor.range.offset}:${length}:${tensor.dtype}` : tensor.dtype;
    const names = places.get(owner) ?? new Map<string, string>();
    const first = names.get(key) ?? name;
    places.set(owner, names.set(key, first));
    firsts.set(name, first);
  }
  return firsts;
}

/** bfloat16 networks run widened: ONNX Runtime's CPU has no bfloat16 kernels for what they need. */
function computeDType(spec: Spec): DType {
  const dtype = spec.inputs[0]?.dtype ?? 'float32';
  return dtype === 'bfloat16' ? 'float32' : dtype;
}

function parameterValue(
  plan: ParameterPlan,
  weights: ReadonlyMap<string, AnyTensor>,
  storedNames: ReadonlyMap<string, string>,
  dtype: DType,
  changed: { name: string; why: string }[],
): Value {
  const tensor = weights.get(plan.name);
  if (tensor === undefined) throw new Error(`parameter ${plan.name} was planned but is not there`);
  const stored = storedNames.get(plan.name) ?? plan.name;
  if (stored !== plan.name) changed.push({ name: stored, why: `in the model it is called ${plan.name}` });
  const value = parameter(plan.name, tensor);
  if (tensor.dtype === dtype || plan.role === 'epsilon') return value;
  changed.push({ name: stored, why: `kept as ${tensor.dtype}, cast to ${dtype} where it is used` });
  return op.cast(value, { to: dtype });
}

/** More modules around a network than this is none that anyone writes. */
const deepestWrapping = 8;

/**
 * The checkpoint under the names the specification uses: what stands before every name (`module.`, `_orig_mod.`, `model.`, `net.`) is
 * taken off where a layer's weights are found only so.
 */
function seenThrough(
  spec: Spec,
  tensors: ReadonlyMap<string, AnyTensor>,
): Map<string, { tensor: AnyTensor; stored: string }> {
  const wanted = spec.layers.flatMap((layer, index) =>
    layer.kind === 'linear' || layer.kind === 'lse' ? [layer.weight ?? `${layer.name ?? index}.weight`] : [],
  );
  const named = new Map([...tensors].map(([stored, tensor]) => [stored, { tensor, stored }]));
  let current = named;
  for (let depth = 0; depth <= deepestWrapping; depth++) {
    if (wanted.some((name) => current.has(name))) return current;
    const prefix = sharedPrefix(current.keys());
    if (prefix === undefined) break;
    current = new Map([...current].map(([name, entry]) => [name.slice(prefix.length), entry]));
  }
  return named;
}

/** The first part of every name, with its dot; undefined where they do not share one. */
function sharedPrefix(names: Iterable<string>): string | undefined {
  const all = [...names];
  const prefix = all[0]?.slice(0, all[0].indexOf('.') + 1);
  return prefix !== undefined && prefix !== '' && all.every((name) => name.startsWith(prefix)) ? prefix : undefined;
}
