import { HopfcoleError } from '../../../files/error.ts';
import type { Tensor } from '../../../files/tensor.ts';
import type { Model } from '../../graph.ts';
import { inputValue } from '../../make.ts';
import { type Dim, describeShape, type Shape, tensorType } from '../../type.ts';
import type { Value } from '../../value.ts';
import { namedConstant } from '../fold/fold.ts';
import { rewriteGraph } from '../rewrite.ts';

/**
 * A model in which inputs are constants: a rate, a switch, what an exporter left open and this use of the model never changes. They are no
 * inputs any more.
 * @throws UNKNOWN_NAME for an input there is not, SHAPE_MISMATCH and DTYPE_MISMATCH for a value it cannot take.
 */
export function withFixedInputs(model: Model, fixed: ReadonlyMap<string, Tensor>): Model {
  if (fixed.size === 0) return model;
  const values = new Map<Value, Value>();
  for (const [name, tensor] of fixed) {
    const value = inputNamed(model, name);
    if (value.dtype !== tensor.dtype)
      throw new HopfcoleError('DTYPE_MISMATCH', `the model's input is ${value.dtype}, the value ${tensor.dtype}`, {
        tensor: name,
      });
    assertFits(name, value.shape, tensor.shape);
    values.set(value, namedConstant(tensor, name));
  }
  const inputs = model.graph.inputs.filter((value) => !values.has(value));
  return { ...model, graph: rewriteGraph({ ...model.graph, inputs }, () => undefined, { values }) };
}

/**
 * A model whose inputs have shapes that its file leaves open; what follows from them is inferred when it is read again. A dimension is a size or
 * the name of one.
 * @throws UNKNOWN_NAME for an input there is not, SHAPE_MISMATCH for a shape the file rules out.
 */
export function withInputShapes(model: Model, shapes: ReadonlyMap<string, readonly Dim[]>): Model {
  if (shapes.size === 0) return model;
  const values = new Map<Value, Value>();
  for (const [name, shape] of shapes) {
    const value = inputNamed(model, name);
    assertFits(name, value.shape, shape);
    values.set(value, inputValue(name, tensorType(value.dtype, shape)));
  }
  const graph = rewriteGraph(model.graph, () => undefined, { values });
  return { ...model, graph };
}

function inputNamed({ graph }: Model, name: string): Value {
  const value = graph.inputs.find((one) => one.name === name && one.source.kind === 'input');
  if (value?.type?.kind === 'tensor') return value;
  const there = graph.inputs.map((one) => `'${one.name ?? ''}'`).join(', ');
  throw new HopfcoleError('UNKNOWN_NAME', `the model has no tensor input '${name}', it has ${there}`, { tensor: name });
}

function assertFits(name: string, declared: Shape, shape: readonly Dim[]): void {
  const fits =
    declared === undefined ||
    (declared.length === shape.length &&
      declared.every((dim, axis) => typeof dim !== 'number' || typeof shape[axis] !== 'number' || dim === shape[axis]));
  if (fits) return;
  const [has, given] = [describeShape(declared), describeShape(shape)];
  throw new HopfcoleError('SHAPE_MISMATCH', `the model's input has the shape ${has}, which cannot be ${given}`, {
    tensor: name,
  });
}
