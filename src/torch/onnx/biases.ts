import { byteLengthOf } from '../../files/dtype.ts';
import { makeTensor } from '../../files/tensor.ts';
import type { Model } from '../../graph/graph.ts';
import { parameter } from '../../graph/make.ts';
import { intOf } from '../../graph/passes/constants.ts';
import { everyNode } from '../../graph/walk.ts';
import { callOf, type Evidence, weightOf } from './evidence.ts';
import type { Found } from './found.ts';

/** Calls whose third argument is a bias. */
const call = /aten\.(?:linear|conv[123]d|convolution)\.default\]\(args = \(%\w+, %(\w+), %(\w+)/;

/**
 * Biases of zeros that torch.export's exporter left out, which its note of the rewriting and the call tell: they are parameters, and whoever trains the
 * model moves them.
 */
export function zeroBiases(model: Model, evidence: Evidence): readonly Found[] {
  return [...everyNode(model.graph)].flatMap((node): readonly Found[] => {
    const beta = node.attributes.get('beta');
    const isWhole = beta === undefined || (beta.kind === 'float' && beta.value === 1);
    const isLinear = node.opType === 'Gemm' && intOf(node, 'transB', 0) === 1 && isWhole;
    if (node.domain !== '' || !(isLinear || node.opType === 'Conv') || node.inputs[2] !== undefined) return [];
    if (!/RemoveOptionalBias/.test(node.metadata.get('pkg.onnxscript.rewriter.rule_name') ?? '')) return [];
    const [, weight = '', bias = ''] = call.exec(callOf(node)) ?? [];
    const name = evidence.signature?.get(bias);
    const tensor = weightOf(node.inputs[1]);
    const [out] = tensor?.shape ?? [];
    if (name === undefined || tensor === undefined || out === undefined || !evidence.isFree(name)) return [];
    if (evidence.signature?.get(weight) !== node.inputs[1]?.name) return [];
    const zeros = makeTensor(tensor.dtype, [out], new Uint8Array(byteLengthOf(tensor.dtype, out)));
    const why = 'the exporter left it out, as its numbers are all zero';
    return [{ node, input: 2, key: name, make: () => parameter(name, zeros), changed: [{ name, why }] }];
  });
}
