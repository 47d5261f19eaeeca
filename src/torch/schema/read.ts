import { HopfcoleError } from '../../files/error.ts';
import { parseWideJson } from '../../files/json.ts';
import type { Dim } from '../../graph/type.ts';
import { readArgument, readSize } from './argument.ts';
import { Field } from './fields.ts';
import type { Argument, Program, ProgramGraph, ProgramNode, TensorMeta } from './program.ts';
import { dtypeOfScalarType } from './scalar-types.ts';
import { readSignature } from './signature.ts';

/** The major version of the schema that is read; PyTorch raises it where a change breaks readers. */
const major = 8;
/** Graphs within graphs (branches of a cond within branches ...). */
const deepestGraph = 24;
/** No operator has a longer name. */
const longestTarget = 200;

/**
 * The program in an archive's JSON. Stack traces and the paths of sources in it are not kept.
 * @throws BAD_JSON, BAD_PROGRAM with the place, UNSUPPORTED_SCHEMA for a version that is not known.
 */
export function readProgram(text: string, file: string): Program {
  const root = new Field(parseWideJson(text, file), file);
  checkVersion(root, file);
  const module = root.at('graph_module');
  const entries = module.at('module_call_graph');
  const top = entries.given ? entries.items().find((entry) => entry.at('fqn').value === '') : undefined;
  const call = top?.at('signature');
  const outSpec = call?.given === true ? call.at('out_spec') : undefined;
  const torchVersion = root.at('torch_version');
  return {
    graph: readGraph(module.at('graph'), 0),
    ...readSignature(module.at('signature'), readGraph),
    outSpec: outSpec?.given === true ? outSpec.text() : undefined,
    fields: readFields(module.at('treespec_namedtuple_fields')),
    ranges: readRanges(root.at('range_constraints')),
    torchVersion: torchVersion.given ? torchVersion.text() : '',
  };
}

function checkVersion(root: Field, file: string): void {
  const version = root.at('schema_version');
  const got = version.given ? version.at('major').integer() : undefined;
  if (got === major) return;
  const newer = got !== undefined && got > major;
  throw new HopfcoleError(
    'UNSUPPORTED_SCHEMA',
    `expected a program of export schema ${major}, got ${got === undefined ? 'no version' : got}`,
    { file },
    newer ? 'A newer hopfcole may read it; or save it with PyTorch 2.6 to 2.13' : 'Save it with PyTorch 2.6 or newer',
  );
}

function readFields(field: Field): Program['fields'] {
  if (!field.given) return new Map();
  const names = (definition: Field) =>
    definition
      .at('field_names')
      .items()
      .map((name) => name.text());
  return new Map(field.members().map(([type, definition]) => [type, names(definition)]));
}

function readRanges(field: Field): Program['ranges'] {
  const ranges = new Map<string, { min: number; max: number | undefined }>();
  if (!field.given) return ranges;
  for (const [symbol, range] of field.members()) {
    const [min, max] = [range.at('min_val'), range.at('max_val')];
    ranges.set(symbol, {
      min: min.given ? Number(min.wideInteger()) : 0,
      max: max.given && typeof max.value === 'number' ? max.value : undefined,
    });
  }
  return ranges;
}

function readGraph(field: Field, depth: number): ProgramGraph {
  if (depth > deepestGraph) throw field.fail('graphs are nested too deep');
  const argument = (item: Field): Argument => readArgument(item, readGraph, depth);
  const single = field.at('is_single_tensor_return');
  return {
    inputs: field.at('inputs').items().map(argument),
    outputs: field.at('outputs').items().map(argument),
    nodes: field
      .at('nodes')
      .items()
      .map((node, index) => readNode(node, index, argument)),
    tensors: new Map(
      field
        .at('tensor_values')
        .members()
        .map(([name, meta]) => [name, readMeta(meta)]),
    ),
    integers: new Map<string, Dim>(
      field
        .at('sym_int_values')
        .members()
        .map(([name, size]) => [name, readSize(size)]),
    ),
    single: single.given && single.boolean(),
  };
}

function readNode(field: Field, index: number, argument: (field: Field) => Argument): ProgramNode {
  const target = field.at('target').text();
  const outputs = field.at('outputs').items().map(argument);
  const named = field.at('name');
  const metadata = field.at('metadata');
  return {
    target: target.replace(/^torch\.ops\./, '').slice(0, longestTarget),
    name: named.given ? named.text() : (nameOf(outputs[0]) ?? `node_${index}`),
    inputs: field
      .at('inputs')
      .items()
      .map((input) => ({ name: input.at('name').text(), argument: argument(input.at('arg')) })),
    outputs,
    stack: metadata.given ? moduleStack(metadata.at('nn_module_stack')) : [],
    detached: metadata.given && isDetached(metadata.at('torch_fn')),
  };
}

/** `detach_1;method_descriptor.detach`: what in PyTorch made the node. */
function isDetached(field: Field): boolean {
  return field.given && /^(detach_\d+;|wrap_with_set_grad_enabled;)/.test(field.text());
}

function nameOf(argument: Argument | undefined): string | undefined {
  if (argument?.kind === 'list') return nameOf(argument.items[0]);
  return argument?.kind === 'tensor' || argument?.kind === 'symbol' ? argument.name : undefined;
}

/** Paths of a stack written as `key,path,type;key,path,type`: of the modules that call one another, the innermost last. */
function moduleStack(field: Field): string[] {
  if (!field.given) return [];
  const paths = field
    .text()
    .split(';')
    .map((entry) => entry.split(',')[1] ?? '');
  return paths
    .filter((path) => path !== '' && !path.includes('_empty_nn_module_stack'))
    .map((path) => path.slice(0, 500));
}

function readMeta(field: Field): TensorMeta {
  const code = field.at('dtype').integer();
  const dtype = dtypeOfScalarType(code);
  if (dtype === undefined) throw field.fail(`a tensor of PyTorch's scalar type ${code} cannot be represented in ONNX`);
  return {
    dtype,
    sizes: field.at('sizes').items().map(readSize),
    strides: field.at('strides').items().map(readSize),
  };
}
