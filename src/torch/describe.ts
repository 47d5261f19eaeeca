import type { DType } from '../files/dtype.ts';
import type { ByteSource } from '../files/source.ts';
import type { AnyTensor } from '../files/tensor.ts';
import { chosenMethod, openPrograms } from './archive/archive.ts';
import type { ProgramGraph } from './schema/program.ts';
import { readProgram } from './schema/read.ts';

/** A program as its archive has it, whether or not all of it can be lowered. */
export interface DescribedProgram {
  readonly methods: readonly string[];
  readonly torchVersion: string;
  readonly parameters: readonly { readonly name: string; readonly dtype: DType; readonly shape: readonly number[] }[];
  /** Nodes by target, subgraphs included. */
  readonly operators: Readonly<Record<string, number>>;
  /** Least and greatest size of each symbol. */
  readonly ranges: Readonly<Record<string, { readonly min: number; readonly max: number | undefined }>>;
}

/** @throws what opening an archive and reading its JSON throw. */
export async function describeProgram(source: ByteSource, method?: string): Promise<DescribedProgram> {
  const methods = await openPrograms(source);
  const chosen = chosenMethod(methods, method, source.name);
  const program = readProgram(chosen.json, `${source.name}:${chosen.name}.json`);
  const weights = await chosen.weights();
  return {
    methods: methods.map(({ name }) => name),
    torchVersion: program.torchVersion,
    parameters: [...weights].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    operators: counts(program.graph),
    ranges: Object.fromEntries(program.ranges),
  };
}

/** The weights and buffers of a program under their names in the state dict, as ranges of the archive: a checkpoint without its graph. */
export async function programWeights(source: ByteSource, method?: string): Promise<ReadonlyMap<string, AnyTensor>> {
  const methods = await openPrograms(source);
  return chosenMethod(methods, method, source.name).weights();
}

function counts(root: ProgramGraph): Record<string, number> {
  const found = new Map<string, number>();
  const waiting = [root];
  for (let graph = waiting.pop(); graph !== undefined; graph = waiting.pop())
    for (const { target, inputs } of graph.nodes) {
      found.set(target, (found.get(target) ?? 0) + 1);
      for (const { argument } of inputs) if (argument.kind === 'graph') waiting.push(argument.graph);
    }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}
