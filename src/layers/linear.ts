import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { fanInUniform, type Initial } from './initial.ts';
import { layer, type Module } from './module.ts';

export interface LinearOptions {
  /** Input features; default: those of `x`. */
  readonly in?: number | undefined;
  /** Output features; may be left out where a checkpoint says them. */
  readonly out?: number | undefined;
  /** Default true. A text is its full name. */
  readonly bias?: boolean | string | undefined;
  /** The weight is stored [in, out] (GPT-2's Conv1D), not [out, in]. */
  readonly transposed?: boolean | undefined;
  /** Full name of the weight where it is not `<path>.weight`: the same name twice ties weights. */
  readonly weight?: string | Value | undefined;
  /** How a fresh weight and bias start; default: both as nn.Linear's. */
  readonly initial?: { readonly weight: Initial; readonly bias: Initial } | undefined;
}

/**
 * nn.Linear: x [.., in] -> [.., out] = x W' + b, with the parameters `weight` [out, in] and `bias` [out].
 * @throws SHAPE_MISMATCH naming both layers, BAD_SPEC where `out` is nowhere said.
 */
export function linear(module: Module, x: Value, options: LinearOptions = {}): Value {
  return layer(linear, module, 'linear', () => {
    const { transposed = false } = options;
    module.atLeast(x, 1, '[.., features]');
    const place = typeof options.weight === 'string' ? module.root : module;
    const name = typeof options.weight === 'string' ? options.weight : 'weight';
    const given = typeof options.weight === 'object' ? options.weight : undefined;
    const [outAxis, inAxis] = transposed ? [1, 0] : [0, 1];
    const storedIn = place.shapeOf(name)?.[inAxis];
    const size = given?.shape?.[outAxis];
    const out = options.out ?? (typeof size === 'number' ? size : place.size(undefined, 'out', name, outAxis));
    const features = module.features(x, options.in, 'in', storedIn);
    const shape = transposed ? [features, out] : [out, features];
    const W = given ?? place.parameter(name, shape, options.initial?.weight ?? fanInUniform(features));
    const b = biasOf(module, options.bias, out, options.initial?.bias ?? fanInUniform(features));
    if (x.shape?.length === 2) return module.mark(op.gemm(x, W, b, { transB: !transposed }), 'linear');
    const y = op.matMul(x, transposed ? W : op.transpose(W, { perm: [1, 0] }));
    return module.mark(b === undefined ? y : op.add(y, b), 'linear');
  });
}

function biasOf(module: Module, bias: boolean | string | undefined, out: number, initial: Initial): Value | undefined {
  if (bias === false) return undefined;
  const [place, name] = typeof bias === 'string' ? [module.root, bias] : [module, 'bias'];
  return place.parameter(name, [out], initial);
}
