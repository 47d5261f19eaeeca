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
 * A network with a checkpoint's weights, which are not copied. Names are the specification's; a prefix that wrappers put before
 * every name (`module.`, `_orig_mod.`, `model.`) is seen through.
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
  const values = new Map<string, Value>();
  const changed: { name: string; why: string }[] = [];
  const parameters = (plan: ParameterPlan): Value => {
    const known = values.get(plan.name);
    const made = known ?? parameterValue(plan, weights, storedNames, dtype, changed);
    values.set(plan.name, made);
    return made;
  };
  const wide = described?.dtype === dtype ? x : op.cast(x, { to: dtype });
  const { output, readings } = composeNetwork(wide, plans, parameters, dtype);
  const outputDType = described?.dtype ?? dtype;
  const narrow = outputDType === dtype ? output : op.cast(output, { to: outputDType });
  const taken = new Set([...values.keys()].map((name) => placeOf(weights.get(name))));
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
        .filter(([, tensor]) => !taken.has(placeOf(tensor)))
        .map(([name]) => storedNames.get(name) ?? name)
        .filter((name) => !used.includes(name) && !missing.includes(name)),
      missing,
    },
    changed,
  };
}

/** Where a tensor's bytes are: tied weights stand under several names in one place, and using one is using all. */
function placeOf(tensor: AnyTensor | undefined): unknown {
  if (tensor === undefined) return undefined;
  if (!isStored(tensor)) return tensor.bytes;
  const { source, offset, length } = tensor.range;
  return length === 0 ? tensor : `${source.name}:${offset}:${length}:${tensor.dtype}`;
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

const wrappers = ['module.', '_orig_mod.', 'model.'];

/** The checkpoint under the names the specification uses: wrappers' prefixes are taken off while no name would clash. */
function seenThrough(
  spec: Spec,
  tensors: ReadonlyMap<string, AnyTensor>,
): Map<string, { tensor: AnyTensor; stored: string }> {
  const named = new Map([...tensors].map(([stored, tensor]) => [stored, { tensor, stored }]));
  const direct = spec.layers.some((layer) => layer.name !== undefined && hasPrefix(named, `${layer.name}.`));
  let current = named;
  for (let depth = 0; !direct && depth < wrappers.length; depth++) {
    const wrapper = wrappers.find(
      (prefix) => current.size > 0 && [...current.keys()].every((name) => name.startsWith(prefix)),
    );
    if (wrapper === undefined) break;
    current = new Map([...current].map(([name, entry]) => [name.slice(wrapper.length), entry]));
  }
  return current;
}

function hasPrefix(names: ReadonlyMap<string, unknown>, prefix: string): boolean {
  return [...names.keys()].some((name) => name.startsWith(prefix));
}
