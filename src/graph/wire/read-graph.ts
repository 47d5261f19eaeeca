import { dtypeOfCode } from '../../files/dtype.ts';
import { HopfcoleError, type Where } from '../../files/error.ts';
import type { AnyTensor } from '../../files/tensor.ts';
import type { GraphInit, onnx, TensorInit } from '../../onnx/messages.ts';
import type { FunctionDefinition } from '../function.ts';
import type { Graph } from '../graph.ts';
import { innerInputTypes } from '../inner-types.ts';
import { inferTypes, inputValue, makeNode, makeValue } from '../make.ts';
import { functionKey } from '../passes/calls.ts';
import type { Inferred } from '../rule.ts';
import { canonicalDomain, schemaOf } from '../schema.ts';
import { tensorType, type ValueType } from '../type.ts';
import type { Node, Value } from '../value.ts';
import { type AttributeContext, attributesFromProto } from './attributes.ts';
import { fromLong } from './integers.ts';
import { mergeTypes } from './merge-types.ts';
import { setOrigin } from './origins.ts';
import { propsFromProto } from './props.ts';
import { ReadScope } from './read-scope.ts';
import { denseOf } from './sparse.ts';
import { typeFromProto } from './types.ts';

type NodeInit = onnx.NodeProto.$Properties;
type ValueInfoInit = onnx.ValueInfoProto.$Properties;

/** What a graph is read within. */
export interface Surroundings {
  readonly tensor: (proto: TensorInit) => AnyTensor;
  readonly functions: ReadonlyMap<string, FunctionDefinition>;
  readonly opsets: ReadonlyMap<string, number>;
  /** Takes what inference finds wrong. */
  readonly problems: HopfcoleError[];
}

/** A file with very many problems is told by its first ones. */
const mostProblems = 1000;
/** Files older than opset imports are of the first opset. */
const firstOpset = 1;

/** Reads the graphs of one model or one function. */
export class GraphReader {
  private readonly around: Surroundings;

  constructor(around: Surroundings) {
    this.around = around;
  }

  /** `types` are those of the inputs as the node around the graph gives them, for inputs that declare none. */
  graph(proto: GraphInit, outer?: ReadScope, types: readonly ValueType[] = []): Graph {
    const scope = new ReadScope(outer);
    const inputInfos = new Map((proto.input ?? []).map((info) => [info.name ?? '', info]));
    const parameters = this.parameters(proto, inputInfos);
    const initialized = new Set(parameters.map(({ name }) => name));
    const inputs: Value[] = [];
    for (const [index, info] of (proto.input ?? []).entries()) {
      const name = info.name ?? '';
      if (initialized.has(name)) continue;
      const value = inputValue(name, typeFromProto(info.type) ?? types[index]);
      setOrigin(value, info);
      scope.define(name, value);
      inputs.push(value);
    }
    for (const value of parameters) scope.define(value.name ?? '', value);
    const declared = new Map<string, ValueInfoInit>();
    for (const info of [...(proto.valueInfo ?? []), ...(proto.output ?? [])]) declared.set(info.name ?? '', info);
    const nodes = this.nodes(proto.node ?? [], scope, declared);
    const outputs = (proto.output ?? []).map(({ name }) => {
      const given = name ?? '';
      return { name: given, value: scope.resolve(given, { argument: 'output' }) };
    });
    return {
      name: proto.name ?? '',
      inputs,
      outputs,
      nodes,
      parameters,
      doc: proto.docString || undefined,
      metadata: propsFromProto(proto.metadataProps),
      origin: proto,
    };
  }

  nodes(protos: readonly NodeInit[], scope: ReadScope, declared: ReadonlyMap<string, ValueInfoInit>): readonly Node[] {
    scope.nodes = protos;
    return protos.map((proto) => this.node(proto, scope, declared));
  }

  attributeContext(scope: ReadScope, types?: () => readonly ValueType[]): AttributeContext {
    return {
      tensor: this.around.tensor,
      graph: (graph) => this.graph(graph, scope, types?.()),
    };
  }

  private parameters(proto: GraphInit, inputs: ReadonlyMap<string, ValueInfoInit>): Value[] {
    const make = (name: string, tensor: AnyTensor): Value => {
      const info = inputs.get(name);
      const source = { kind: 'parameter', tensor, ...(info === undefined ? {} : { overridable: true }) } as const;
      const value = makeValue(source, tensorType(tensor.dtype, tensor.shape), name);
      if (info !== undefined) setOrigin(value, info);
      return value;
    };
    const dense = (proto.initializer ?? []).map((tensor) => make(tensor.name ?? '', this.around.tensor(tensor)));
    const sparse = (proto.sparseInitializer ?? []).map((message) => {
      const name = message.values?.name ?? '';
      const tensor = denseOf(message);
      if (tensor === undefined) {
        const dtype = dtypeOfCode(message.values?.dataType ?? 0);
        const value = inputValue(
          name,
          tensorType(
            dtype,
            (message.dims ?? []).map((dim) => Number(fromLong(dim))),
          ),
        );
        setOrigin(value, message);
        return value;
      }
      setOrigin(tensor, message);
      return make(name, tensor);
    });
    return [...dense, ...sparse];
  }

  private node(proto: NodeInit, scope: ReadScope, declared: ReadonlyMap<string, ValueInfoInit>): Node {
    const opType = proto.opType ?? '';
    const domain = canonicalDomain(proto.domain ?? '');
    const overload = proto.overload ?? '';
    const where: Where = { node: proto.name || undefined, operator: opType };
    try {
      const inputs = (proto.input ?? []).map((name) => (name === '' ? undefined : scope.resolve(name, where, proto)));
      const { functions } = this.around;
      const callee = functions.size === 0 ? undefined : functions.get(functionKey(domain, opType, overload));
      const opset = this.around.opsets.get(domain) ?? firstOpset;
      const version = callee === undefined ? schemaOf(opType, opset, domain)?.sinceVersion : undefined;
      const names = proto.output ?? [];
      const outputCount = names.length;
      // The types of a body's inputs follow from attributes that may stand behind the body.
      const plain = (proto.attribute ?? []).filter(({ g }) => !g);
      const context = this.attributeContext(scope, () =>
        innerInputTypes({ opType, attributes: attributesFromProto(plain, context) }, inputs),
      );
      const attributes = attributesFromProto(proto.attribute ?? [], context);
      const tensor = names.find((name) => name !== '');
      const inferred = this.infer(
        { opType, domain, version, inputs, attributes, outputCount, callee },
        { ...where, tensor },
      );
      // Written out, as a spread here is a third of the time that reading takes.
      const node = makeNode({
        opType,
        domain,
        overload,
        version,
        inputs,
        attributes,
        outputCount,
        callee,
        outputNames: names,
        inferred: names.map((name, index) => this.merged(declared.get(name), inferred[index], where)),
        name: proto.name || undefined,
        doc: proto.docString || undefined,
        metadata: propsFromProto(proto.metadataProps),
        origin: proto,
      });
      node.outputs.forEach((value) => {
        scope.define(value.name ?? '', value, where);
      });
      return node;
    } catch (error) {
      throw error instanceof HopfcoleError ? error.at(where) : error;
    }
  }

  private infer(call: Parameters<typeof inferTypes>[0], where: Where): readonly Inferred[] {
    try {
      return inferTypes(call);
    } catch (error) {
      if (!(error instanceof HopfcoleError)) throw error;
      this.problem(error.at(where));
      return [];
    }
  }

  private merged(declared: ValueInfoInit | undefined, inferred: Inferred | undefined, where: Where): Inferred {
    if (declared === undefined) return inferred ?? { type: undefined };
    const { type, conflict } = mergeTypes(typeFromProto(declared.type), inferred?.type);
    if (conflict !== undefined) this.problem(conflict.at({ ...where, tensor: declared.name ?? '' }));
    return { type, known: inferred?.known };
  }

  private problem(problem: HopfcoleError): void {
    if (this.around.problems.length < mostProblems) this.around.problems.push(problem);
  }
}
