import type { DType } from '../files/dtype.ts';
import type { ByteSource } from '../files/source.ts';
import type { AnyTensor } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { model } from '../graph/model.ts';
import type { Value } from '../graph/value.ts';
import { stateKey, tiedKey, writeTied } from '../layers/state-dict.ts';
import { chosenMethod, openPrograms } from './archive/archive.ts';
import { inputsOf, whyWidened } from './lower/inputs.ts';
import { lowerNodes } from './lower/lower.ts';
import { outputsOf } from './lower/outputs.ts';
import { GraphScope, type Report } from './lower/scope.ts';
import { unsupported } from './lower/unsupported.ts';
import { readProgram } from './schema/read.ts';

export interface ImportOptions {
  /** Which program of an archive that holds several; the only one, `model` or `forward`, where this is left out. */
  readonly method?: string | undefined;
  readonly name?: string | undefined;
}

/** A program of torch.export as a graph, and what became of its parts. */
export interface ImportedProgram {
  readonly model: Model;
  /** The programs that the archive holds. */
  readonly methods: readonly string[];
  readonly torchVersion: string;
  /** Weights by their names in the state dict: in the graph, or not needed by what it gives. */
  readonly parameters: {
    readonly used: readonly string[];
    readonly unused: readonly string[];
    readonly missing: readonly string[];
  };
  /** What stands otherwise in the graph than in the program, and why. */
  readonly changed: readonly { readonly name: string; readonly why: string }[];
  /** Results that are no tensors: plain constants of the program. */
  readonly constants: readonly { readonly name: string; readonly value: unknown }[];
  /** Buffers and inputs that the program writes to, whose new contents are no outputs of the model. */
  readonly mutated: readonly string[];
  /** Outputs by the names that the program's own graph has for them (`linear_1`), where a dict or named tuple gives them others. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Element types of outputs that are given in a wider one. */
  readonly precision: ReadonlyMap<string, DType>;
  /** The value each module gave last, by its path; the values of the graph by the program's names. */
  readonly modules: ReadonlyMap<string, Value>;
  readonly values: ReadonlyMap<string, Value>;
}

/**
 * A program of torch.export.save (.pt2) as a graph in plain ONNX: inputs and outputs under the program's names, weights under their names in the
 * state dict as ranges of the archive, dynamic sizes as symbols. Nothing of the archive is run; stack traces and paths of sources are not kept.
 * @throws UNSUPPORTED_OPERATOR listing everything that is not supported, with counts and module paths; NOT_A_PROGRAM, BAD_PROGRAM, UNSUPPORTED_SCHEMA.
 */
export async function importProgram(source: ByteSource, options: ImportOptions = {}): Promise<ImportedProgram> {
  const methods = await openPrograms(source);
  const method = chosenMethod(methods, options.method, source.name);
  const program = readProgram(method.json, `${source.name}:${method.name}.json`);
  const tensors = { weights: await method.weights(), constants: await method.constants() };
  const scope = new GraphScope(program.graph);
  const report: Report = { unsupported: new Map(), modules: new Map(), values: new Map() };
  const given = inputsOf(program, tensors, scope, source.name);
  lowerNodes(scope, report);
  if (report.unsupported.size > 0) throw unsupported(report, source.name);
  const { outputs, constants, mutated, aliases, precision } = outputsOf(program, scope, given.inputs, source.name);
  const { state, tied } = given;
  const built = model({
    name: options.name ?? method.name,
    inputs: given.inputs,
    outputs,
    metadata: {
      ...(state.length === 0 ? {} : { [stateKey]: JSON.stringify(state) }),
      ...(tied.size === 0 ? {} : { [tiedKey]: writeTied(Object.fromEntries(tied)) }),
    },
  });
  const inGraph = new Set(built.graph.parameters.map(({ name }) => name));
  const isUsed = (name: string) => inGraph.has(given.names.get(name) ?? name);
  return {
    model: built,
    methods: methods.map(({ name }) => name),
    torchVersion: program.torchVersion,
    parameters: {
      used: given.weights.filter(isUsed),
      unused: given.weights.filter((name) => !isUsed(name)),
      missing: [],
    },
    changed: [
      ...given.changed.filter(({ name }) => isUsed(name) || !given.names.has(name)),
      ...[...precision].map(([name, dtype]) => ({ name, why: whyWidened(dtype) })),
    ],
    constants,
    mutated,
    aliases,
    precision,
    modules: report.modules,
    values: report.values,
  };
}

/** What an archive holds of tensors. */
export interface ProgramTensors {
  readonly weights: ReadonlyMap<string, AnyTensor>;
  readonly constants: ReadonlyMap<string, AnyTensor>;
}
