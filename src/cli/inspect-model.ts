import { dirname } from 'node:path';
import { HopfcoleError } from '../files/error.ts';
import { fileFolder } from '../files/node/folder.ts';
import type { ByteSource } from '../files/source.ts';
import { describeType, type ValueType } from '../graph/type.ts';
import { validateStructure } from '../graph/validate/validate.ts';
import { fromProto } from '../graph/wire/read.ts';
import { typeFromProto } from '../graph/wire/types.ts';
import type { GraphProto, ModelProto, TensorProto, ValueInfoProto } from '../onnx/messages.ts';
import { readModel } from '../onnx/read.ts';
import { tensorHeader } from '../onnx/tensor.ts';
import { type Site, sitesOf } from '../reading/sites.ts';
import type { Outcome } from './command.ts';
import { table } from './output.ts';

interface ToldProblem {
  readonly code: string;
  readonly message: string;
  readonly where: unknown;
}

/** Beyond this many, a file is not worth describing further. */
const mostProblems = 100;

/** Describes what can be described of an ONNX file, and lists what is wrong as problems. Tensors are not read. */
export async function inspectModel(path: string, source: ByteSource): Promise<Outcome> {
  const proto = await readModel(source, { keepFrom: 1024 });
  const problems: ToldProblem[] = [];
  const parameters = parametersOf(proto, problems);
  for (const { code, message, where, severity } of validateStructure(proto))
    if (severity === 'error') problems.push({ code, message, where });
  const sites = problems.length === 0 ? await sitesIn(proto, path, problems) : [];
  const opsets = Object.fromEntries(
    proto.opsetImport.map(({ domain, version }) => [domain || 'ai.onnx', Number(version ?? 0)]),
  );
  const initializers = new Set(parameters.map(({ name }) => name));
  const inputs = (proto.graph?.input ?? []).filter(({ name }) => !initializers.has(name ?? '')).map(described);
  const outputs = (proto.graph?.output ?? []).map(described);
  const operators = counts(proto.graph);
  const functions = proto.functions.map(
    ({ domain, name, overload }) => `${domain ?? ''}::${name ?? ''}${overload ? `:${overload}` : ''}`,
  );
  const parameterCount = parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const producer = [proto.producerName, proto.producerVersion].filter((part) => part).join(' ');
  const json = {
    format: 'onnx',
    irVersion: Number(proto.irVersion ?? 0),
    opsets,
    producer,
    inputs,
    outputs,
    parameters,
    parameterCount,
    operators,
    functions,
    sites: sites.map(siteJson),
    problems,
  };
  return { json, text: lines(json, sites, path) };
}

async function sitesIn(proto: ModelProto, path: string, problems: ToldProblem[]): Promise<Site[]> {
  try {
    const model = await fromProto(proto, fileFolder(dirname(path)));
    for (const { code, message, where } of model.problems ?? []) problems.push({ code, message, where });
    return sitesOf(model);
  } catch (error) {
    if (!(error instanceof HopfcoleError)) throw error;
    problems.push({ code: error.code, message: error.message, where: error.where });
    return [];
  }
}

/** A site as JSON shows it. */
export function siteJson({ node: _node, ...site }: Site): Omit<Site, 'node'> {
  return site;
}

interface ParameterLine {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

function parametersOf(proto: ModelProto, problems: ToldProblem[]): ParameterLine[] {
  const found: ParameterLine[] = [];
  for (const tensor of proto.graph?.initializer ?? []) {
    if (problems.length >= mostProblems) break;
    try {
      found.push(parameterOf(tensor));
    } catch (error) {
      if (!(error instanceof HopfcoleError)) throw error;
      problems.push({ code: error.code, message: error.message, where: error.where });
    }
  }
  return found;
}

function parameterOf(tensor: TensorProto): ParameterLine {
  const { name, dtype, shape, byteLength } = tensorHeader(tensor);
  return { name, dtype, shape, bytes: byteLength };
}

function described({ name, type }: ValueInfoProto): { name: string; dtype: string | null; shape: unknown } {
  const known = typeOf(type);
  if (known?.kind === 'tensor')
    return { name: name ?? '', dtype: known.dtype ?? null, shape: known.shape?.map((dim) => dim ?? null) ?? null };
  return { name: name ?? '', dtype: describeType(known), shape: null };
}

function typeOf(type: ValueInfoProto['type']): ValueType {
  try {
    return typeFromProto(type);
  } catch (error) {
    if (error instanceof HopfcoleError) return undefined;
    throw error;
  }
}

/** Calls by operator, subgraphs included, without recursion. */
function counts(root: GraphProto | null | undefined): Record<string, number> {
  const found = new Map<string, number>();
  const waiting = root ? [root] : [];
  for (let graph = waiting.pop(); graph !== undefined; graph = waiting.pop())
    for (const { domain, opType, attribute } of graph.node) {
      const name = domain && domain !== 'ai.onnx' ? `${domain}::${opType ?? ''}` : (opType ?? '');
      found.set(name, (found.get(name) ?? 0) + 1);
      for (const { g, graphs } of attribute) waiting.push(...(g ? [g as GraphProto] : []), ...(graphs as GraphProto[]));
    }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function lines(
  json: {
    irVersion: number;
    opsets: Record<string, number>;
    producer: string;
    inputs: readonly { name: string; dtype: string | null; shape: unknown }[];
    outputs: readonly { name: string; dtype: string | null; shape: unknown }[];
    parameters: readonly ParameterLine[];
    parameterCount: number;
    operators: Record<string, number>;
    functions: readonly string[];
    problems: readonly ToldProblem[];
  },
  sites: readonly Site[],
  path: string,
): string[] {
  const shape = (value: unknown) => (Array.isArray(value) ? `[${value.map((dim) => dim ?? '?').join(', ')}]` : '');
  const value = (item: { name: string; dtype: string | null; shape: unknown }) =>
    `  ${item.name}  ${item.dtype ?? 'unknown'}${shape(item.shape)}`;
  const bytes = json.parameters.reduce((sum, parameter) => sum + parameter.bytes, 0);
  const opsets = Object.entries(json.opsets).map(([domain, version]) => `${domain} ${version}`);
  const operators = Object.entries(json.operators).map(([name, count]) => `${count} ${name}`);
  return [
    `${path}: ONNX, IR ${json.irVersion}, opset ${opsets.join(', ')}${json.producer === '' ? '' : `, by ${json.producer}`}`,
    'inputs',
    ...json.inputs.map(value),
    'outputs',
    ...json.outputs.map(value),
    `parameters: ${json.parameters.length} tensors, ${json.parameterCount} numbers, ${bytes} bytes`,
    ...table(json.parameters.slice(0, 40).map((p) => [`  ${p.name}`, p.dtype, `[${p.shape.join(', ')}]`])),
    ...(json.parameters.length > 40 ? [`  ... ${json.parameters.length - 40} more (--json lists all)`] : []),
    `operators: ${operators.join(', ')}`,
    ...(json.functions.length === 0 ? [] : [`functions: ${json.functions.join(', ')}`]),
    ...(sites.length === 0 ? ['HJ sites: none'] : ['HJ sites', ...siteTable(sites)]),
    ...json.problems.map(({ code, message }) => `problem ${code}: ${message}`),
  ];
}

/** The sites as a table, and below it the equations they discretise, each once with the sites it is of. */
export function siteTable(sites: readonly Site[]): string[] {
  const cell = (value: unknown) => (value === null || value === undefined ? '-' : String(value));
  const rows = table([
    ['  name', 'kind', 'status', 'epsilon', 'atoms', 'dim', 'heads', 'viscosity', 'Hamiltonian'],
    ...sites.map((s) => [
      `  ${s.name}`,
      s.kind,
      s.status,
      cell(s.epsilon),
      cell(s.atoms),
      cell(s.dim),
      cell(s.heads),
      cell(s.viscosity),
      s.hamiltonian,
    ]),
  ]);
  return [...rows, 'equations', ...equations(sites)];
}

function equations(sites: readonly Site[]): string[] {
  const groups = new Map<string, { readonly site: Site; readonly names: string[] }>();
  for (const site of sites) {
    const key = JSON.stringify([site.equation, site.discretisation, site.step, site.status]);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { site, names: [site.name] });
    else known.names.push(site.name);
  }
  return [...groups.values()].flatMap(({ site, names }) => {
    const shown = names.length <= 4 ? names : [...names.slice(0, 3), `${names.length - 3} more`];
    const step = site.step === null ? '' : `, step ${site.step}`;
    return [
      `  ${shown.join(', ')}: ${site.equation}`,
      `    ${site.status}; discretisation: ${site.discretisation}${step}`,
    ];
  });
}
