import { ints } from '../../../ops/precision.ts';
import type { Model } from '../../graph/graph.ts';
import { parameter } from '../../graph/make.ts';
import { withMetadata } from '../../graph/module-path.ts';
import * as op from '../../graph/op.ts';
import { modulePathOf } from '../../graph/place.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyNode } from '../../graph/walk.ts';
import { callOf, type Evidence, weightOf } from './evidence.ts';
import type { Found } from './found.ts';
import { reshaped } from './rearranged.ts';

/** What the last two operators of a group normalisation take, where there is no operator for it. */
const leaves: Readonly<Record<string, string>> = { Mul: 'weight', Add: 'bias' };

/**
 * Scales and shifts of group normalisations that an exporter wrote out in other operators, which hold them as [channels, 1, ...] under a name of its own:
 * the parameters [channels], reshaped in the graph.
 */
export function groupNorms(model: Model, evidence: Evidence): readonly Found[] {
  return [...everyNode(model.graph)].flatMap((node): readonly Found[] => {
    const input = node.inputs.findIndex((value) => isSpread(weightOf(value)?.shape));
    const value = node.inputs[input];
    const tensor = weightOf(value);
    if (!(node.opType in leaves) || node.domain !== '' || value === undefined || tensor === undefined) return [];
    const name = evidence.signature === undefined ? fromScope(node, value, evidence) : fromCall(node, value, evidence);
    if (name === undefined || !evidence.isFree(name)) return [];
    const [channels = 0] = tensor.shape;
    const make = (): Value =>
      withMetadata(node.metadata, () =>
        op.reshape(parameter(name, reshaped(tensor, [channels])), ints(...tensor.shape)),
      );
    const why = `the exporter stored it as [${tensor.shape.join(', ')}], as '${value.name ?? ''}'`;
    return [{ node, input, key: name, make, changed: [{ name, why }] }];
  });
}

function isSpread(shape: readonly number[] | undefined): boolean {
  return shape !== undefined && shape.length > 1 && shape.slice(1).every((dim) => dim === 1);
}

function fromScope(node: Node, value: Value, evidence: Evidence): string | undefined {
  const path = modulePathOf(node);
  const isMadeUp = value.name?.startsWith(`onnx::${node.opType}_`) === true;
  if (path === undefined || !isMadeUp || !evidence.operatorsIn(path).has('InstanceNormalization')) return undefined;
  return `${path}.${leaves[node.opType]}`;
}

function fromCall(node: Node, value: Value, evidence: Evidence): string | undefined {
  const sources = evidence.sourcesOf(value) ?? [];
  const [only, other] = sources;
  const isNorm = /aten\.(native_)?group_norm\.default/.test(callOf(node));
  return isNorm && other === undefined && only?.endsWith(leaves[node.opType] ?? '') === true ? only : undefined;
}
