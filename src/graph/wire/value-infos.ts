import type { GraphInit, onnx } from '../../onnx/messages.ts';
import type { Graph } from '../graph.ts';
import type { Value } from '../value.ts';
import { mergeTypes } from './merge-types.ts';
import { copyOf, originOf } from './origins.ts';
import { propsFromProto } from './props.ts';
import { typeFromProto, typeToProto } from './types.ts';

type ValueInfoInit = onnx.ValueInfoProto.$Properties;

/** What a graph's message says of a named value, as far as it still holds after the graph was changed. */
export class ValueInfos {
  private readonly origin: GraphInit | undefined;
  private readonly outputs: ReadonlyMap<string, ValueInfoInit>;
  private readonly sameNodes: boolean;

  constructor(graph: Graph) {
    this.origin = graph.origin as GraphInit | undefined;
    this.outputs = new Map((this.origin?.output ?? []).map((info) => [info.name ?? '', info]));
    const before = this.origin?.node ?? [];
    this.sameNodes =
      before.length === graph.nodes.length && graph.nodes.every((node, index) => node.origin === before[index]);
  }

  ofInput(name: string, value: Value): ValueInfoInit {
    const before = originOf<ValueInfoInit>(value);
    if (before !== undefined) return before.name === name ? before : { ...copyOf(before), name };
    return { name, type: typeToProto(value.type) ?? null };
  }

  ofOutput(name: string, value: Value): ValueInfoInit {
    const before = this.outputs.get(name);
    if (before !== undefined && holds(before, value)) return before;
    return { ...copyOf(before), name, type: typeToProto(value.type) ?? null };
  }

  /** value_info: entries of values that are gone or of another type now are left out. */
  ofValues(valueNamed: (name: string) => Value | undefined): ValueInfoInit[] {
    return (this.origin?.valueInfo ?? []).filter((info) => {
      const value = valueNamed(info.name ?? '');
      return value === undefined ? this.sameNodes : holds(info, value);
    });
  }

  annotations(valueNamed: (name: string) => Value | undefined): onnx.TensorAnnotation.$Properties[] {
    const before = this.origin?.quantizationAnnotation ?? [];
    return this.sameNodes ? before : before.filter(({ tensorName }) => valueNamed(tensorName ?? '') !== undefined);
  }
}

function holds(info: ValueInfoInit, value: Value): boolean {
  return mergeTypes(typeFromProto(info.type), value.type).conflict === undefined;
}

/** metadata_props that a graph's message has of its values, by name; the graph must be the one that was read. */
export function valueMetadata(graph: Graph): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const origin = graph.origin as GraphInit | undefined;
  const infos = [...(origin?.valueInfo ?? []), ...(origin?.input ?? []), ...(origin?.output ?? [])];
  return new Map(infos.map(({ name, metadataProps }) => [name ?? '', propsFromProto(metadataProps ?? [])]));
}
