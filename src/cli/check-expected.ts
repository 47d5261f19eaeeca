import { HopfcoleError } from '../files/error.ts';
import type { Folder } from '../files/source.ts';
import type { Tensor } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { moduleKey } from '../graph/module-path.ts';
import type { Value } from '../graph/value.ts';
import type { Arguments, Context, Outcome } from './command.ts';
import { type Inner, innerValues, moduleOfDifference } from './inner-values.ts';
import { table } from './output.ts';
import { type Compared, compare } from './relative-error.ts';
import { openBuilt, openChild, providerJson, remaining } from './session.ts';
import { feedsOf, readArrays, readInputs } from './tensor-files.ts';

/** A model whose outputs are held against expected ones. */
export interface Checked {
  readonly model: Model;
  readonly folder?: Folder | undefined;
  /** The file as it is, which is what runs where nothing inside is asked for. */
  readonly file?: string | undefined;
  /** The value each module gives, and values by the names that its author knows, where the graph itself does not say. */
  readonly modules?: ReadonlyMap<string, Value> | undefined;
  readonly values?: ReadonlyMap<string, Value> | undefined;
  /** Further names of outputs. */
  readonly aliases?: ReadonlyMap<string, string> | undefined;
  /** Element types that outputs had before they were widened. */
  readonly precision?: ReadonlyMap<string, string> | undefined;
}

interface Expected {
  readonly path: string;
  /** Where the inputs are; otherwise they stand beside the expected outputs. */
  readonly inputs: string | undefined;
  readonly tolerance: number | undefined;
}

/**
 * Runs a model once and compares its outputs with a file of expected ones, and what that file has of values inside (by module path or name).
 * @throws MISSING_OUTPUT, MISSING_INPUT
 */
export async function compareOutputs(
  checked: Checked,
  expectation: Expected,
  args: Arguments,
  context: Context,
): Promise<Outcome> {
  const expected = renamed(await readArrays(expectation.path), checked.aliases);
  const { model, folder } = checked;
  const outputNames = model.graph.outputs.map(({ name }) => name);
  const [only] = outputNames;
  const sole = expected.get('');
  if (sole !== undefined && only !== undefined) expected.set(only, sole);
  const asked = [...expected.keys()].filter((name) => !outputNames.includes(name));
  const inner = innerValues(model, asked, checked.modules, checked.values);
  const session =
    inner.length === 0 && checked.file !== undefined
      ? await openChild(checked.file, args, context)
      : await openBuilt(withOutputs(model, inner), folder, args, context);
  try {
    const feeds =
      expectation.inputs === undefined
        ? feedsOf(expected, session.inputs, expectation.path)
        : await readInputs(expectation.inputs, session.inputs);
    const { outputs } = await session.run(feeds, { signal: context.signal, timeoutMs: remaining(context) });
    const judged = (name: string, at: string) => {
      const [want, got] = [expected.get(name), outputs.get(at)];
      if (want === undefined || got === undefined) return undefined;
      return compare(name, want, got, expectation.tolerance, checked.precision?.get(name));
    };
    const compared = outputNames.flatMap((name) => judged(name, name) ?? []);
    if (compared.length === 0)
      throw new HopfcoleError(
        'MISSING_OUTPUT',
        `the file of expected outputs has none of the model's: ${outputNames.join(', ')}`,
        { file: expectation.path },
        'Name its arrays after the outputs',
      );
    const firstDifference = differenceOf(inner, judged);
    return {
      json: {
        outputs: compared,
        ep: providerJson(session),
        ...(firstDifference === undefined ? {} : { firstDifference }),
      },
      text: [...outputTable(compared), ...differenceText(firstDifference, inner.length)],
      passed: compared.every(({ ok }) => ok) && firstDifference === undefined,
    };
  } finally {
    await session.close();
  }
}

/** Arrays under the names of the outputs they are of. */
function renamed(arrays: Map<string, Tensor>, aliases: ReadonlyMap<string, string> | undefined): Map<string, Tensor> {
  for (const [alias, name] of aliases ?? []) {
    const array = arrays.get(alias);
    if (array === undefined || alias === name || arrays.has(name)) continue;
    arrays.set(name, array);
    arrays.delete(alias);
  }
  return arrays;
}

interface Difference {
  readonly node: string;
  readonly module: string;
  readonly value: string;
  readonly error: number;
}

/** The first value inside that differs, in the order of the graph, and the module in which the difference begins. */
function differenceOf(
  inner: readonly Inner[],
  judged: (name: string, at: string) => Compared | undefined,
): Difference | undefined {
  const agree = new Set<Value>();
  for (const [index, { name, value }] of inner.entries()) {
    const found = judged(name, innerName(index));
    if (found === undefined) continue;
    if (found.ok) {
      agree.add(value);
      continue;
    }
    const node = value.source.kind === 'output' ? value.source.node : undefined;
    const module = moduleOfDifference(value, agree);
    return {
      node: node?.name ?? value.name ?? name,
      module: module === '' ? (node?.metadata.get(moduleKey) ?? '') : module,
      value: name,
      error: found.error,
    };
  }
  return undefined;
}

function innerName(index: number): string {
  return `hopfcole.inner.${index}`;
}

function withOutputs(model: Model, inner: readonly Inner[]): Model {
  if (inner.length === 0) return model;
  const more = inner.map(({ value }, index) => ({ name: innerName(index), value }));
  return { ...model, graph: { ...model.graph, outputs: [...model.graph.outputs, ...more] } };
}

function outputTable(compared: readonly Compared[]): string[] {
  return table([
    ['output', 'error', 'tolerance', ''],
    ...compared.map(({ name, error, tolerance, ok }) => [
      name,
      error.toExponential(2),
      tolerance.toExponential(0),
      ok ? 'ok' : 'DIFFERS',
    ]),
  ]);
}

function differenceText(difference: Difference | undefined, inner: number): string[] {
  if (difference === undefined) return inner === 0 ? [] : [`${inner} values inside agree`];
  const { module, value, error, node } = difference;
  const where = module === '' ? 'outside of any module' : `in ${module}`;
  return [`first difference ${where}: ${value} by ${error.toExponential(2)} (node ${node})`];
}
