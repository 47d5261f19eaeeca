import type { ModelInit, onnx } from '../../onnx/messages.ts';
import type { FunctionDefinition } from '../function.ts';
import type { Model } from '../graph.ts';
import { attributesToProto } from './attributes.ts';
import { toLong } from './integers.ts';
import { opsetsFromProto } from './opsets.ts';
import { copyOf, keep } from './origins.ts';
import { propsToProto, sameMap } from './props.ts';
import { tensorMessage } from './tensors.ts';
import { GraphWriter } from './write-graph.ts';

type FunctionInit = onnx.FunctionProto.$Properties;
type OpsetInit = onnx.OperatorSetIdProto.$Properties;

/** Before IR 4 every initializer is also an input. */
const firstIrWithFreeInitializers = 4;

/**
 * The message of a model. A model that was read and not changed gives a message equal to the one read; the same model gives the
 * same message every time. Weights are not copied: what is in a file stays there until the message is written.
 * @throws DUPLICATE_NAME, UNDEFINED_NAME.
 */
export function toProto(model: Model): ModelInit {
  const origin = model.origin as ModelInit | undefined;
  const opsetImport = opsetsToProto(model.opsets, origin?.opsetImport);
  const old = origin === undefined && model.irVersion < firstIrWithFreeInitializers;
  return {
    ...copyOf(origin),
    irVersion:
      origin !== undefined && Number(origin.irVersion ?? 0) === model.irVersion
        ? (origin.irVersion ?? null)
        : toLong(model.irVersion),
    producerName: keep(origin?.producerName, model.producer.name) ?? null,
    producerVersion: keep(origin?.producerVersion, model.producer.version) ?? null,
    domain: keep(origin?.domain, model.domain) ?? null,
    modelVersion: modelVersionOf(model, origin),
    docString: keep(origin?.docString, model.doc) ?? null,
    graph: new GraphWriter(model.graph, old).graph(model.graph),
    opsetImport,
    metadataProps: propsToProto(model.metadata, origin?.metadataProps),
    functions: model.functions.map((definition) => functionToProto(definition, model.opsets)),
  };
}

function modelVersionOf(model: Model, origin: ModelInit | undefined): NonNullable<ModelInit['modelVersion']> | null {
  const before = origin?.modelVersion ?? null;
  if (BigInt(before?.toString() ?? 0) === BigInt(model.modelVersion)) return before;
  return toLong(model.modelVersion);
}

function opsetsToProto(opsets: ReadonlyMap<string, number>, before?: readonly OpsetInit[] | null): OpsetInit[] {
  if (before && sameMap(opsetsFromProto(before), opsets)) return [...before];
  return [...opsets].map(([domain, version]) => ({ domain, version: toLong(version) }));
}

/** A function that was built imports what its model imports: runtimes refuse functions whose imports differ. */
function functionToProto(definition: FunctionDefinition, opsets: ReadonlyMap<string, number>): FunctionInit {
  const origin = definition.origin as FunctionInit | undefined;
  const { body } = definition;
  const writer = new GraphWriter(body);
  const written = writer.write(body);
  const constants = written.initializers.flatMap((value) => {
    if (!('tensor' in value.source)) return [];
    const name = written.nameOf(value);
    const t = tensorMessage('', value.source.tensor);
    return [{ opType: 'Constant', name: `node_${name}`, output: [name], attribute: [{ name: 'value', type: 4, t }] }];
  });
  return {
    ...copyOf(origin),
    name: keep(origin?.name, definition.name) ?? null,
    domain: keep(origin?.domain, definition.domain) ?? null,
    overload: keep(origin?.overload, definition.overload === '' ? undefined : definition.overload) ?? null,
    input: written.inputs.map(written.nameOf),
    output: [...written.outputNames],
    attribute: [...definition.attributes],
    attributeProto: attributesToProto(definition.defaults, (graph) => writer.graph(graph)),
    node: [...constants, ...written.nodes],
    docString: keep(origin?.docString, definition.doc) ?? null,
    opsetImport: opsetsToProto(origin === undefined ? opsets : definition.opsets, origin?.opsetImport),
    metadataProps: propsToProto(definition.metadata, origin?.metadataProps),
  };
}
