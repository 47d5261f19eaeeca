import { HopfcoleError } from '../../files/error.ts';
import { describeShape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { type Module, makerOf } from '../module.ts';
import { type AnyRecurrentOptions, gateCount, type Recurrence, type RecurrentKind } from './options.ts';

/** All sizes of a recurrent network: as said, otherwise as the checkpoint has them. */
export function recurrenceOf(module: Module, kind: RecurrentKind, options: AnyRecurrentOptions): Recurrence {
  const { nonlinearity = 'tanh', bias = true } = options;
  const projection = options.projection ?? (kind === 'lstm' ? module.shapeOf('weight_hr_l0')?.[0] : undefined);
  const hidden = hiddenOf(module, kind, options.hidden, projection !== undefined);
  if (projection !== undefined && projection >= hidden)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${module.describe()} expects a projection to fewer than ${hidden} features, got ${projection}`,
      { argument: 'projection' },
      'Leave "projection" out where h has all features',
    );
  const work = module.dtype === 'float64' ? 'float64' : 'float32';
  const form = options.form ?? (projection === undefined && work === 'float32' ? 'operator' : 'scan');
  if (form === 'operator' && projection !== undefined)
    throw new HopfcoleError(
      'BAD_ARGUMENT',
      `${module.describe()} has a projection, for which ONNX has no operator`,
      { argument: 'form' },
      'Leave "form" out, or say "scan"',
    );
  return {
    kind,
    nonlinearity,
    hidden,
    state: projection ?? hidden,
    layers: options.layers ?? storedLayers(module),
    directions: (options.bidirectional ?? module.has('weight_ih_l0_reverse') ?? false) ? 2 : 1,
    bias,
    form,
    work,
  };
}

/** H: of weight_hr [P, H] with a projection, of weight_ih [gates * H, in] without. */
function hiddenOf(module: Module, kind: RecurrentKind, said: number | undefined, projected: boolean): number {
  if (said !== undefined || projected) return module.size(said, 'hidden', 'weight_hr_l0', 1);
  const rows = module.size(undefined, 'hidden', 'weight_ih_l0', 0);
  return Math.max(1, Math.floor(rows / gateCount[kind]));
}

function storedLayers(module: Module): number {
  let count = 0;
  while (module.has(`weight_ih_l${count}`) === true) count++;
  return Math.max(1, count);
}

/** @throws SHAPE_MISMATCH where a state [layers * directions, batch, features] is known to have another shape. */
export function expectState(
  module: Module,
  name: string,
  state: Value,
  wanted: { readonly shape: readonly (number | string | undefined)[]; readonly axes: string },
): void {
  const { shape } = state;
  if (shape === undefined) return;
  const fits = shape.length === wanted.shape.length && wanted.shape.every((dim, axis) => compatible(dim, shape[axis]));
  if (fits) return;
  throw new HopfcoleError(
    'SHAPE_MISMATCH',
    `${module.describe()} expects ${name} of shape ${describeShape(wanted.shape)} (${wanted.axes}), but ${makerOf(state)} gives ${describeShape(shape)}`,
    { argument: name },
    'States are [layers * directions, batch, features] as in PyTorch, batch first or not',
  );
}

/** Whether two dimensions may be the same at run time. */
function compatible(a: number | string | undefined, b: unknown): boolean {
  return typeof a !== 'number' || typeof b !== 'number' || a === b;
}

/** @throws SHAPE_MISMATCH or DTYPE_MISMATCH where lengths are no integers [batch]. */
export function expectLengths(module: Module, lengths: Value, batch: number | string | undefined): void {
  if (lengths.dtype !== undefined && lengths.dtype !== 'int64' && lengths.dtype !== 'int32')
    throw new HopfcoleError(
      'DTYPE_MISMATCH',
      `${module.describe()} expects lengths of int64 or int32, but ${makerOf(lengths)} gives ${lengths.dtype}`,
      { argument: 'lengths' },
    );
  if (lengths.shape === undefined || (lengths.shape.length === 1 && compatible(batch, lengths.shape[0]))) return;
  throw new HopfcoleError(
    'SHAPE_MISMATCH',
    `${module.describe()} expects lengths of shape ${describeShape([batch])} (one for each sequence), but ${makerOf(lengths)} gives ${describeShape(lengths.shape)}`,
    { argument: 'lengths' },
  );
}
