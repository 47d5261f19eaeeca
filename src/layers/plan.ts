import { HopfcoleError } from '../files/error.ts';
import type { EpsilonSpec, LayerSpec, Spec } from './spec.ts';

/** A parameter that a layer needs. */
export interface ParameterPlan {
  /** Its name in the state dict. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly role: 'linear.weight' | 'linear.bias' | 'lse.weight' | 'lse.bias' | 'epsilon';
  /** Input features, which PyTorch's initialisation depends on. */
  readonly fanIn: number;
  /** Starting value of a scalar (epsilon before its transform). */
  readonly initial: number;
}

export type EpsilonPlan =
  | { readonly value: number }
  | { readonly parameter: ParameterPlan; readonly transform: 'none' | 'exp' | 'softplus' };

export type LayerPlan =
  | {
      readonly kind: 'linear';
      readonly name: string;
      readonly weight: ParameterPlan;
      readonly bias: ParameterPlan | undefined;
      readonly transposed: boolean;
    }
  | {
      readonly kind: 'lse';
      readonly name: string;
      readonly weight: ParameterPlan;
      readonly bias: ParameterPlan | undefined;
      readonly epsilon: EpsilonPlan;
      readonly dim: number;
      readonly atoms: number;
      /** Absent: one unit, output [batch]. */
      readonly units: number | undefined;
      readonly keepdim: boolean;
    }
  | { readonly kind: 'relu'; readonly name: string }
  | { readonly kind: 'softmax'; readonly name: string; readonly epsilon: EpsilonPlan };

/** Shapes that a checkpoint gives, by parameter name; undefined when a network is built without one. */
export type KnownShapes = ReadonlyMap<string, readonly number[]> | undefined;

/** What is wrong between a specification and a checkpoint: everything at once. */
export interface Mismatches {
  readonly missing: string[];
  readonly misshapen: { readonly name: string; readonly expected: string; readonly got: string }[];
}

interface Width {
  /** Features of the running value, undefined while unknown. */
  readonly features: number | undefined;
  /** Who made it, for errors. */
  readonly by: string;
  /** Rank of the running value. */
  readonly rank: number;
}

/**
 * Resolves every size and parameter of a network: from the specification, from the layer before, or from the checkpoint's shapes.
 * @throws SHAPE_MISMATCH naming both layers where they do not compose, BAD_SPEC where a size is nowhere given,
 * MISSING_PARAMETERS listing every missing and misshapen parameter of the checkpoint at once (`partial`: a missing one whose
 * size is known otherwise is no error).
 */
export function planNetwork(spec: Spec, known: KnownShapes, file?: string, partial = false): LayerPlan[] {
  const input = spec.inputs[0];
  const last = input?.shape.at(-1);
  const mismatches: Mismatches = { missing: [], misshapen: [] };
  let width: Width = {
    features: typeof last === 'number' ? last : undefined,
    by: `input '${input?.name ?? ''}'`,
    rank: input?.shape.length ?? 0,
  };
  const plans: LayerPlan[] = [];
  for (const [index, layer] of spec.layers.entries()) {
    const place: Place = {
      partial,
      file,
      path: `$.layers[${index}]`,
      known,
      mismatches,
      width,
      last: index === spec.layers.length - 1,
    };
    const { plan, next } = planLayer(layer, layer.name ?? String(index), place);
    plans.push(plan);
    width = next;
  }
  checkMismatches(mismatches, known, file);
  return plans;
}

interface Place {
  readonly partial: boolean;
  readonly file: string | undefined;
  readonly path: string;
  readonly known: KnownShapes;
  readonly mismatches: Mismatches;
  readonly width: Width;
  readonly last: boolean;
}

function planLayer(layer: LayerSpec, name: string, place: Place): { plan: LayerPlan; next: Width } {
  const by = `layer '${name}' (${layer.kind})`;
  const { width } = place;
  switch (layer.kind) {
    case 'relu':
      return { plan: { kind: 'relu', name }, next: width };
    case 'softmax':
      return { plan: { kind: 'softmax', name, epsilon: planEpsilon(layer.epsilon, place) }, next: width };
    case 'linear': {
      if (width.rank < 1) throw rankError(by, 'at least 1 axis', place);
      const weightName = layer.weight ?? `${name}.weight`;
      const stored = place.known?.get(weightName);
      const [storedOut, storedIn] = layer.transposed ? [stored?.[1], stored?.[0]] : [stored?.[0], stored?.[1]];
      const features = resolve(layer.in, storedIn, 'in', by, place);
      const out = size(layer.out ?? storedOut, 'out', by, weightName, place);
      const shape = layer.transposed ? [features, out] : [out, features];
      const weight = parameterPlan(weightName, shape, 'linear.weight', features, place);
      const bias = layer.bias
        ? parameterPlan(biasNameOf(layer, name), [out], 'linear.bias', features, place)
        : undefined;
      return {
        plan: { kind: 'linear', name, weight, bias, transposed: layer.transposed },
        next: { features: out, by, rank: width.rank },
      };
    }
    case 'lse': {
      if (width.rank !== 2) throw rankError(by, 'the axes [batch, d]', place);
      const weightName = layer.weight ?? `${name}.weight`;
      const stored = place.known?.get(weightName);
      const units = layer.units ?? (stored?.length === 3 ? stored[0] : undefined);
      const dim = resolve(layer.dim, stored?.at(-1), 'dim', by, place);
      const atoms = size(layer.atoms ?? stored?.at(-2), 'atoms', by, weightName, place);
      const lead = units === undefined ? [] : [units];
      if (units === undefined && !layer.keepdim && !place.last)
        throw new HopfcoleError(
          'SHAPE_MISMATCH',
          `${by} gives [batch], which the next layer cannot take`,
          { file: place.file, at: place.path },
          'Set "keepdim": true, or "units"',
        );
      const weight = parameterPlan(weightName, [...lead, atoms, dim], 'lse.weight', dim, place);
      const bias = layer.bias
        ? parameterPlan(biasNameOf(layer, name), [...lead, atoms], 'lse.bias', dim, place)
        : undefined;
      const epsilon = planEpsilon(layer.epsilon, place);
      return {
        plan: { kind: 'lse', name, weight, bias, epsilon, dim, atoms, units, keepdim: layer.keepdim },
        next: { features: units ?? 1, by, rank: units === undefined && !layer.keepdim ? 1 : 2 },
      };
    }
  }
}

function biasNameOf(layer: Extract<LayerSpec, { kind: 'linear' | 'lse' }>, name: string): string {
  return layer.biasName ?? (typeof layer.bias === 'string' ? layer.bias : `${name}.bias`);
}

function planEpsilon(spec: EpsilonSpec, place: Place): EpsilonPlan {
  if (typeof spec === 'number') return { value: spec };
  const initial = spec.transform === 'exp' ? 0 : spec.transform === 'softplus' ? Math.log(Math.E - 1) : 1;
  // A learned scalar is stored as [] or as [1]; both are taken.
  const stored = place.known?.get(spec.parameter);
  const shape = stored?.length === 1 && stored[0] === 1 ? [1] : [];
  return {
    parameter: { ...parameterPlan(spec.parameter, shape, 'epsilon', 1, place), initial },
    transform: spec.transform,
  };
}

/** Input features: what the specification says, else what the layer before gives, else what the checkpoint's weight has. */
function resolve(
  said: number | undefined,
  stored: number | undefined,
  field: string,
  by: string,
  place: Place,
): number {
  const { width } = place;
  const features = said ?? width.features ?? stored;
  if (features === undefined)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${by} does not say its input features`,
      { file: place.file, at: place.path },
      `Add "${field}"`,
    );
  if (width.features !== undefined && width.features !== features)
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `${by} expects ${features} input features, but ${width.by} gives ${width.features}`,
      { file: place.file, at: place.path },
      `Change "${field}" or the layer before`,
    );
  return features;
}

function size(value: number | undefined, field: string, by: string, weight: string, place: Place): number {
  if (value !== undefined) return value;
  if (place.known === undefined)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${by} does not say "${field}"`,
      { file: place.file, at: place.path },
      `Add "${field}"`,
    );
  if (!place.known.has(weight)) place.mismatches.missing.push(weight);
  return 1;
}

function parameterPlan(
  name: string,
  shape: readonly number[],
  role: ParameterPlan['role'],
  fanIn: number,
  place: Place,
): ParameterPlan {
  const { known, mismatches } = place;
  const stored = known?.get(name);
  if (known !== undefined && stored === undefined && !place.partial && !mismatches.missing.includes(name))
    mismatches.missing.push(name);
  if (stored !== undefined && (stored.length !== shape.length || stored.some((dim, i) => dim !== shape[i])))
    mismatches.misshapen.push({ name, expected: `[${shape.join(', ')}]`, got: `[${stored.join(', ')}]` });
  return { name, shape, role, fanIn, initial: 0 };
}

function rankError(by: string, expected: string, place: Place): HopfcoleError {
  const got = place.width.rank === 1 ? 'one axis' : `${place.width.rank} axes`;
  return new HopfcoleError(
    'SHAPE_MISMATCH',
    `${by} expects ${expected}, but ${place.width.by} gives ${got}`,
    { file: place.file, at: place.path },
    'Change the input shape or the layer before',
  );
}

function checkMismatches({ missing, misshapen }: Mismatches, known: KnownShapes, file: string | undefined): void {
  if (missing.length === 0 && misshapen.length === 0) return;
  const parts = [
    missing.length === 0 ? '' : `missing: ${missing.join(', ')}`,
    ...misshapen.map(({ name, expected, got }) => `${name} expected ${expected}, got ${got}`),
  ].filter((part) => part !== '');
  const has = [...(known?.keys() ?? [])].slice(0, 20).join(', ');
  throw new HopfcoleError(
    missing.length > 0 ? 'MISSING_PARAMETERS' : 'SHAPE_MISMATCH',
    `the checkpoint does not fit the specification: ${parts.join('; ')}`,
    { file },
    `The checkpoint has ${has}${missing.some((name) => name.endsWith('.bias')) ? '; a layer without a bias says "bias": false' : ''}`,
  );
}

/** Every parameter of the network once, in order (a tied one where it first appears). */
export function parametersOf(plans: readonly LayerPlan[]): ParameterPlan[] {
  const all = new Map<string, ParameterPlan>();
  for (const plan of plans)
    for (const parameter of parametersOfLayer(plan)) if (!all.has(parameter.name)) all.set(parameter.name, parameter);
  return [...all.values()];
}

function parametersOfLayer(plan: LayerPlan): ParameterPlan[] {
  const own = plan.kind === 'linear' || plan.kind === 'lse' ? [plan.weight, plan.bias] : [];
  const epsilon = plan.kind === 'lse' || plan.kind === 'softmax' ? plan.epsilon : undefined;
  const learned = epsilon !== undefined && 'parameter' in epsilon ? epsilon.parameter : undefined;
  return [...own, learned].filter((parameter) => parameter !== undefined);
}
