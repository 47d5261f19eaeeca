import { HopfcoleError } from '../../files/error.ts';
import type { Folder } from '../../files/source.ts';
import type { ModelInit, onnx } from '../../onnx/messages.ts';
import type { FunctionDefinition } from '../function.ts';
import type { Model } from '../graph.ts';
import { withStepBudget } from '../infer-function.ts';
import { inputValue } from '../make.ts';
import { functionKey } from '../passes/calls.ts';
import { attributesFromProto } from './attributes.ts';
import { callOrder } from './call-order.ts';
import { fromLong } from './integers.ts';
import { opsetsFromProto } from './opsets.ts';
import { propsFromProto } from './props.ts';
import { GraphReader, type Surroundings } from './read-graph.ts';
import { ReadScope } from './read-scope.ts';
import { tensorsOfModel } from './tensors.ts';

type FunctionInit = onnx.FunctionProto.$Properties;

/** Nodes of function bodies that inference walks through for one file: far more than any network needs. */
const inferenceBudget = 500_000;

/**
 * The model of a message. Nothing of the message is lost: written again unchanged it is equal. Types are inferred and merged with
 * the declared ones; what inference finds wrong stands in `problems`, as it need not keep the model from being carried on.
 * `folder` is where external data lie.
 * @throws NOT_ONNX (no graph), DUPLICATE_NAME, DUPLICATE_FUNCTION, UNDEFINED_NAME, UNSORTED_NODES, GRAPH_CYCLE, RECURSIVE_FUNCTION,
 * BAD_ATTRIBUTE, and whatever is wrong with a tensor (`tensorFromProto`).
 */
export async function fromProto(proto: ModelInit, folder?: Folder): Promise<Model> {
  if (!proto.graph) throw new HopfcoleError('NOT_ONNX', 'the model has no graph');
  const problems: HopfcoleError[] = [];
  const opsets = opsetsFromProto(proto.opsetImport);
  const functions = new Map<string, FunctionDefinition>();
  const surroundings = { tensor: await tensorsOfModel(proto, folder), functions, problems };
  const inCallOrder = callOrder(proto.functions ?? []);
  const { graph: main } = proto;
  const graph = withStepBudget(inferenceBudget, () => {
    for (const definition of inCallOrder) readFunction(definition, surroundings, functions);
    return new GraphReader({ ...surroundings, opsets }).graph(main);
  });
  const declared = (proto.functions ?? []).flatMap((definition) => {
    const read = functions.get(keyOfProto(definition));
    return read === undefined ? [] : [read];
  });
  return {
    graph,
    functions: declared,
    opsets,
    irVersion: Number(fromLong(proto.irVersion ?? 0)),
    producer: { name: proto.producerName ?? '', version: proto.producerVersion ?? '' },
    domain: proto.domain ?? '',
    modelVersion: fromLong(proto.modelVersion ?? 0),
    doc: proto.docString || undefined,
    metadata: propsFromProto(proto.metadataProps),
    problems,
    origin: proto,
  };
}

function keyOfProto({ domain, name, overload }: FunctionInit): string {
  return functionKey(domain ?? '', name ?? '', overload ?? '');
}

function readFunction(
  proto: FunctionInit,
  around: Omit<Surroundings, 'opsets'>,
  functions: Map<string, FunctionDefinition>,
): void {
  const opsets = opsetsFromProto(proto.opsetImport);
  const reader = new GraphReader({ ...around, opsets });
  const where = { operator: `${proto.domain ?? ''}::${proto.name ?? ''}` };
  try {
    const scope = new ReadScope(undefined);
    const inputs = (proto.input ?? []).map((name) => {
      const value = inputValue(name, undefined);
      scope.define(name, value);
      return value;
    });
    const defaults = attributesFromProto(proto.attributeProto ?? [], reader.attributeContext(scope));
    const nodes = reader.nodes(proto.node ?? [], scope, new Map());
    const outputs = (proto.output ?? []).map((name) => ({ name, value: scope.resolve(name) }));
    functions.set(keyOfProto(proto), {
      domain: proto.domain ?? '',
      name: proto.name ?? '',
      overload: proto.overload ?? '',
      body: {
        name: proto.name ?? '',
        inputs,
        outputs,
        nodes,
        parameters: [],
        doc: undefined,
        metadata: new Map(),
        origin: undefined,
      },
      attributes: proto.attribute ?? [],
      defaults,
      opsets,
      doc: proto.docString || undefined,
      metadata: propsFromProto(proto.metadataProps),
      origin: proto,
    });
  } catch (error) {
    throw error instanceof HopfcoleError ? error.at({ at: `function ${where.operator}` }) : error;
  }
}
