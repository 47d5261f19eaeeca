import { isFloat } from '../../../files/dtype.ts';
import { HopfcoleError } from '../../../files/error.ts';
import { checkCall, parameterAt } from '../../check.ts';
import type { FunctionDefinition } from '../../function.ts';
import type { Graph, Model } from '../../graph.ts';
import { constant } from '../../make.ts';
import { type Schema, schemaOf, versionsOf } from '../../schema.ts';
import { typeKey } from '../../type.ts';
import type { Node, Value } from '../../value.ts';
import { calleeOf, functionsInOrder, functionTable } from '../calls.ts';
import { constantIntegers, textOf } from '../constants.ts';
import { type Replacement, rewriteGraph, trimmed } from '../rewrite.ts';
import {
  type Context,
  type Conversion,
  type Conversions,
  helper,
  numberOf,
  string,
  successor,
  unsupported,
  withAttributes,
} from './conversion.ts';
import { checkTarget, opsetOf, withOpset } from './raise.ts';
import { retagged } from './retag.ts';

/** Steps down, by `OpType@version` of the version that is left behind. */
const conversions: Conversions = {
  ...Object.fromEntries(
    ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'].map((name) => [
      `Reduce${name}@18`,
      reduceAxes,
    ]),
  ),
  'Shape@15': partOfShape,
  'Split@18': evenSplit,
  'GridSample@20': gridSample,
  'DFT@20': dft,
  'Mod@28': floatMod,
  'GroupNormalization@21': refuse('scale and bias are per channel, and were per group'),
};

/**
 * A model with its ai.onnx operators, those of functions and subgraphs too, at an older opset (13 or newer), for runtimes that
 * know no newer one. Nodes that use nothing newer are the same at the older version; reductions get their axes as an attribute back.
 * @throws UNSUPPORTED_CONVERSION naming node, operator and both versions where the older opset cannot say it.
 */
export function lowerOpset(model: Model, target: number): Model {
  checkTarget(target);
  const table = functionTable(model.functions);
  const functions = new Map<FunctionDefinition, FunctionDefinition>();
  const lower = (graph: Graph, from: number): Graph => {
    const visit = (node: Node): Replacement =>
      node.domain !== '' || calleeOf(node, table) !== undefined ? undefined : lowered(node, from, target);
    return rewriteGraph(graph, visit, { functions });
  };
  for (const definition of functionsInOrder(model.functions)) {
    const from = opsetOf(definition.opsets) ?? target;
    const body = lower(definition.body, from);
    functions.set(definition, { ...definition, body, opsets: withOpset(definition.opsets, Math.min(from, target)) });
  }
  const from = opsetOf(model.opsets);
  if (from === undefined) return model;
  return {
    ...model,
    graph: lower(model.graph, from),
    opsets: withOpset(model.opsets, Math.min(from, target)),
    functions: model.functions.map((definition) => functions.get(definition) ?? definition),
  };
}

function lowered(node: Node, from: number, target: number): Replacement {
  if (from <= target) return undefined;
  const aim = schemaOf(node.opType, target);
  if (aim === undefined || versionsOf(node.opType).length === 0)
    throw new HopfcoleError(
      'UNSUPPORTED_CONVERSION',
      `${node.opType} does not exist at opset ${target}: it came with opset ${versionsOf(node.opType)[0] ?? '?'}`,
      { node: node.name, operator: node.opType },
      'Ask for a newer opset',
    );
  const start = schemaOf(node.opType, from);
  let current = node;
  for (let here = start; here !== undefined && here.sinceVersion > aim.sinceVersion; ) {
    const below = schemaOf(node.opType, here.sinceVersion - 1);
    if (below === undefined) break;
    const result = conversions[`${node.opType}@${here.sinceVersion}`]?.(current, { target });
    if (result !== undefined && !('opType' in result)) return result;
    current = retagged(result ?? current, here, below);
    here = below;
  }
  checkFits(current, node, aim);
  return current === node ? undefined : current.outputs;
}

/** What only the newer version takes: element types, inputs left out. */
function checkFits(node: Node, original: Node, schema: Schema): void {
  try {
    checkCall(schema, { inputs: node.inputs, attributes: node.attributes, outputCount: node.outputs.length });
  } catch (error) {
    throw error instanceof HopfcoleError ? unsupported(original, schema.sinceVersion, error.message) : error;
  }
  for (const [index, value] of node.outputs.entries()) {
    const key = typeKey(value.type);
    const type = parameterAt(schema.outputs, index)?.type ?? '';
    const allowed = schema.constraints.get(type) ?? new Set([type]);
    if (key !== undefined && !allowed.has(key))
      throw unsupported(original, schema.sinceVersion, `that version does not give ${key}`);
  }
}

function reduceAxes(node: Node): Node {
  const [x, axes] = node.inputs;
  const noop = numberOf(node, 'noop_with_empty_axes', 0, 13) === 1;
  const list = axes === undefined ? [] : constantIntegers(axes);
  if (list === undefined) throw unsupported(node, 13, 'its axes are not constant');
  if (list.length === 0 && noop) throw unsupported(node, 13, 'with no axes it does nothing');
  return withAttributes(
    node,
    { noop_with_empty_axes: undefined, axes: list.length === 0 ? undefined : { kind: 'ints', value: list } },
    { inputs: [x] },
  );
}

function evenSplit(node: Node): Node {
  if (!node.attributes.has('num_outputs')) return node;
  const axis = numberOf(node, 'axis', 0, 13);
  const size = node.inputs[0]?.shape?.at(axis);
  if (typeof size !== 'number' || size % node.outputs.length !== 0)
    throw unsupported(node, 13, 'its parts are not known to be equal');
  return withAttributes(node, { num_outputs: undefined }, { inputs: trimmed(node.inputs) });
}

/** The sizes from `start` to `end`: all of them, and a Slice. */
function partOfShape(node: Node, context: Context): Node | readonly Value[] {
  if (!node.attributes.has('start') && !node.attributes.has('end')) return node;
  const ints = (value: number) => constant([BigInt(value)], 'int64');
  const bounds = [numberOf(node, 'start', 0, 15), numberOf(node, 'end', largestBound, 15), 0].map(ints);
  return successor(context, node, 'Slice', [helper(context, 'Shape', node.inputs), ...bounds], new Map());
}

/** Beyond the axes of any tensor. */
const largestBound = 2 ** 31 - 1;

function gridSample(node: Node): Node {
  const mode = textOf(node.attributes.get('mode')) ?? 'linear';
  const older: Readonly<Record<string, string>> = { linear: 'bilinear', cubic: 'bicubic', nearest: 'nearest' };
  const rank = node.inputs[0]?.shape?.length;
  if (rank !== undefined && rank !== 4) throw unsupported(node, 16, `its input is of rank ${rank}, expected 4`);
  return withAttributes(node, { mode: string(older[mode] ?? mode) });
}

function dft(node: Node): Node {
  const [x, length, axis] = node.inputs;
  const given = axis === undefined ? [-2] : constantIntegers(axis);
  const [at] = given ?? [];
  if (at === undefined) throw unsupported(node, 17, 'its axis is not constant');
  const rank = x?.shape?.length;
  if (at < 0 && rank === undefined) throw unsupported(node, 17, 'the rank of its input is not known');
  const place = at < 0 ? at + (rank ?? 0) : at;
  return withAttributes(node, { axis: { kind: 'int', value: place } }, { inputs: trimmed([x, length]) });
}

/** Only the newest version takes the sign of the divisor for floats. */
function floatMod(node: Node): Node {
  const dtype = node.inputs[0]?.dtype;
  if (dtype !== undefined && isFloat(dtype) && numberOf(node, 'fmod', 0, 13) === 0)
    throw unsupported(node, 13, 'fmod = 0 did not take floats');
  return node;
}

function refuse(why: string): Conversion {
  return (node) => {
    throw unsupported(node, 20, why);
  };
}
