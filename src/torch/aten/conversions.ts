import { multiplyDims, sameDim } from '../../graph/dim.ts';
import { constant } from '../../graph/make.ts';
import { withDetached } from '../../graph/module-path.ts';
import * as op from '../../graph/op.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules, ViewRule, ViewRules } from '../lower/rule.ts';
import { like, times } from './kernels.ts';

/** A tensor of its own with the same elements: values of a graph never change, so it is the value itself. */
const copied: Lowering = (call) => call.tensor('self');

/** The same memory under another name. */
const aliased = (of = 'self', when?: (call: Call) => boolean): ViewRule => ({
  of,
  show: (_, base) => base,
  back: (_call, _base, part) => part,
  ...(when === undefined ? {} : { when }),
});

/** The same memory, through which nothing is differentiated. A constant has no gradient to keep away. */
const detached: ViewRule = {
  of: 'self',
  show: (call, base) =>
    base.source.kind === 'constant' || isWrite(call) ? base : withDetached(() => op.identity(base)),
  back: (_call, _base, part) => part,
};

/** In place it is of constants that stand in the program, just made. */
function isWrite(call: Call): boolean {
  return call.node.target === 'aten.detach_.default';
}

/** The tensor itself where it has the element type already, a copy otherwise. */
const converted = (...asked: readonly string[]): ViewRule => ({
  of: 'self',
  show: (call, base) => cast(base, call.ignore(...asked).outDType()),
  back: (_, base, part) => cast(part, base.dtype ?? 'float32'),
  when: (call) => call.meta('self')?.dtype === call.outMeta().dtype && !(call.has('copy') && call.bool('copy')),
});

/** Dropout does nothing outside of training. */
const dropped = (call: Call, x: Value, train: boolean): Value => {
  const p = call.float('p');
  if (!train || p === 0) return x;
  return p >= 1 ? op.mul(x, like(x, 0)) : drawn(x, p)[0];
};

/**
 * In training the kept elements are drawn anew with every run, and which they were. Not by ONNX's Dropout, which ONNX Runtime takes out of a model
 * even where it trains.
 */
function drawn(x: Value, p: number): [Value, Value] {
  const mask = op.greaterOrEqual(op.randomUniformLike(x, { dtype: 'float32' }), constant(p, 'float32'));
  return [op.where(mask, times(x, 1 / (1 - p)), like(x, 0)), mask];
}

const dropout: ViewRule = {
  of: 'input',
  show: (call, base) => dropped(call, base, call.bool('train')),
  back: (_call, _base, part) => part,
  when: (call) => !call.bool('train') || call.float('p') === 0,
};

/** Forms of dropout that have no operator of their own. */
const onlyEvaluated = (of = 'input'): ViewRule => ({
  of,
  show: (call, base) => {
    call.ignore('p');
    if (call.bool('train') && call.float('p') !== 0) throw call.unsupported('train=True (export in eval mode)');
    return base;
  },
  back: (_call, _base, part) => part,
});

const conversions = ['dtype', 'other', 'copy', 'device', 'layout', 'memory_format', 'non_blocking', 'pin_memory'];

export const conversionViews: ViewRules = {
  'aten.to.dtype': converted(...conversions),
  'aten.to.dtype_layout': converted(...conversions),
  'aten.to.device': converted(...conversions),
  'aten.to.other': converted(...conversions),
  'aten.to.prim_Device': converted(...conversions),
  'aten.to.prim_dtype': converted(...conversions),
  'aten.to.prim_other': converted(...conversions),
  'aten.type_as.default': converted('other'),
  'aten.contiguous.default': aliased('self', (call) => isContiguous(call)),
  'aten.detach.default': detached,
  'aten.alias.default': { ...aliased(), show: (call, base) => (call.node.detached ? detached.show(call, base) : base) },
  'aten.lift.default': aliased(),
  'aten.lift_fresh.default': aliased(),
  'aten.dropout.default': dropout,
  'aten.feature_dropout.default': onlyEvaluated(),
  'aten.alpha_dropout.default': onlyEvaluated(),
  'aten.feature_alpha_dropout.default': onlyEvaluated(),
  // In place they call their tensor otherwise.
  'aten.dropout_.default': onlyEvaluated('self'),
  'aten.feature_dropout_.default': onlyEvaluated('self'),
  'aten.alpha_dropout_.default': onlyEvaluated('self'),
  'aten.feature_alpha_dropout_.default': onlyEvaluated('self'),
};

/** Whether the elements lie one after the other: then `contiguous` copies nothing. */
function isContiguous(call: Call): boolean {
  const meta = call.meta('self');
  if (meta === undefined) return false;
  let step: Dim = 1;
  for (let axis = meta.sizes.length - 1; axis >= 0; axis--) {
    const size = meta.sizes[axis];
    if (size !== 1 && !sameDim(meta.strides[axis], step)) return false;
    step = multiplyDims(step, size);
  }
  return true;
}

export const conversionRules: Rules = {
  'aten._to_copy.default': (call) => call.ignore('dtype').tensor('self'),
  'aten.clone.default': copied,
  'aten.lift_fresh_copy.default': copied,
  'aten.alias_copy.default': copied,
  'aten.detach_copy.default': (call) => withDetached(() => op.identity(call.tensor('self'))),
  'aten.copy.default': (call) => {
    const [self, source] = [call.tensor('self'), call.tensor('src')];
    return spreadOver(cast(source, self.dtype ?? 'float32'), self);
  },
  'aten.fill.Scalar': (call) => filled(call),
  'aten.fill.Tensor': (call) => filled(call),
  'aten.zero.default': (call) => {
    const self = call.tensor('self');
    return spreadOver(like(self, 0), self);
  },
  'aten.native_dropout.default': (call) => {
    const x = call.tensor('input');
    const [p, train] = [call.float('p'), call.has('train') && call.bool('train')];
    if (!train || p === 0) return [x, spreadOver(constant(true), x)];
    if (p >= 1) return [op.mul(x, like(x, 0)), spreadOver(constant(false), x)];
    return drawn(x, p);
  },
};

function filled(call: Call): Value {
  const self = call.tensor('self');
  return spreadOver(call.tensorOrScalar('value', self.dtype ?? 'float32'), self);
}

/** A value broadcast to the shape of another. */
function spreadOver(value: Value, target: Value): Value {
  const { shape } = target;
  const same =
    value.shape?.length === shape?.length &&
    value.shape?.every((dim, axis) => dim === shape?.[axis] && dim !== undefined);
  if (same === true) return value;
  const known =
    shape?.every((dim): dim is number => typeof dim === 'number') === true ? (shape as number[]) : undefined;
  return op.expand(value, known === undefined ? op.shape(target) : constant(known, 'int64'));
}
