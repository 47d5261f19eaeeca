import type { Tensor } from '../../../files/tensor.ts';
import { viewOf } from '../../../files/tensor.ts';
import type { Model } from '../../graph.ts';
import type { Node, Value } from '../../value.ts';
import { everyNode } from '../../walk.ts';
import { constantTensor } from '../constants.ts';

/** One step of the cleaning: a model with the same inputs, outputs and numbers. The same object where there was nothing to do. */
export type Pass = (model: Model) => Model;

/** The tensor of a value that is part of the program: a constant or a Constant node, never a parameter, which somebody may train or replace. */
export function programTensor(value: Value | undefined): Tensor | undefined {
  return value?.source.kind === 'parameter' ? undefined : constantTensor(value);
}

/** The integers of an int64 constant or parameter, where they are in memory. */
export function integersIn(value: Value | undefined): readonly number[] | undefined {
  const tensor = constantTensor(value);
  return tensor?.dtype === 'int64' ? Array.from(viewOf(tensor, 'int64'), Number) : undefined;
}

/** A standard operator whose attributes are all given: none is left to the caller of a function. */
export function isStandard(node: Node): boolean {
  if (node.domain !== '' || node.callee !== undefined) return false;
  for (const { kind } of node.attributes.values()) if (kind === 'reference') return false;
  return true;
}

/** The node that makes a value, where it is a standard operator of that type. */
export function madeBy(value: Value | undefined, opType: string): Node | undefined {
  const node = value?.source.kind === 'output' ? value.source.node : undefined;
  return node !== undefined && node.opType === opType && isStandard(node) ? node : undefined;
}

/** Every value that a node or an output of the model reads, functions and subgraphs included. */
export function valuesRead(model: Model): ReadonlySet<Value> {
  const read = new Set<Value>();
  for (const { body } of [{ body: model.graph }, ...model.functions]) {
    for (const { value } of body.outputs) read.add(value);
    for (const node of everyNode(body)) {
      for (const value of node.inputs) if (value !== undefined) read.add(value);
      for (const attribute of node.attributes.values()) {
        const graphs =
          attribute.kind === 'graph' ? [attribute.value] : attribute.kind === 'graphs' ? attribute.value : [];
        for (const { outputs } of graphs) for (const { value } of outputs) read.add(value);
      }
    }
  }
  return read;
}
