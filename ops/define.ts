import { HopfcoleError } from '../src/files/error.ts';
import { atCaller } from '../src/graph/apply.ts';
import type { CostateRule } from '../src/graph/costate.ts';
import type { FunctionDefinition } from '../src/graph/function.ts';
import { inputValue, makeNode } from '../src/graph/make.ts';
import { ambientMetadata, withModule } from '../src/graph/module-path.ts';
import { subgraph } from '../src/graph/subgraph.ts';
import type { TensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { bodyOpset, domain, domainVersion } from './domain.ts';

/** One overload of an operator: for one element type, masked or not, in one form. */
export interface Form {
  readonly name: string;
  /** What makes the overload, '' parts left out: `float16`, `masked`, `blocks64` ... */
  readonly parts: readonly string[];
  readonly inputs: readonly (readonly [name: string, type: TensorType])[];
  readonly outputs: readonly string[];
  readonly doc: string;
  readonly body: (inputs: readonly Value[]) => readonly Value[];
  readonly costate: CostateRule;
}

/** Overload parts of one element type: float32 is the plain one. */
export function typePart(dtype: string): string {
  return dtype === 'float32' ? '' : dtype;
}

const definitions = new Map<string, FunctionDefinition>();

/** The function of a form; equal forms give the same function, so that a model holds it once. */
function definitionOf(form: Form): FunctionDefinition {
  const overload = form.parts.filter((part) => part !== '').join('_');
  const key = `${form.name}:${overload}`;
  const known = definitions.get(key);
  if (known !== undefined) return known;
  const inputs = form.inputs.map(([name, type]) => inputValue(name, type));
  const graph = withModule(undefined, () => subgraph(form.name, inputs, () => form.body(inputs)));
  const outputs = graph.outputs.map(({ value }, index) => ({ name: form.outputs[index] ?? '', value }));
  const made: FunctionDefinition = Object.freeze({
    domain,
    name: form.name,
    overload,
    body: { ...graph, outputs },
    attributes: [],
    defaults: new Map(),
    opsets: new Map([
      ['', bodyOpset],
      [domain, domainVersion],
    ]),
    doc: form.doc,
    metadata: new Map(),
    costate: form.costate,
    origin: undefined,
  });
  definitions.set(key, made);
  return made;
}

/** A call of a form: its outputs have the given types, beginning with the first. */
export function callForm(
  form: Form,
  inputs: readonly Value[],
  types: readonly TensorType[],
  metadata: ReadonlyMap<string, string> = new Map(),
): readonly Value[] {
  const callee = definitionOf(form);
  return makeNode({
    opType: callee.name,
    domain,
    overload: callee.overload,
    version: undefined,
    inputs,
    outputCount: types.length,
    inferred: types.map((type) => ({ type })),
    callee,
    metadata: new Map([...ambientMetadata(), ...metadata]),
  }).outputs;
}

/** Runs a constructor; its errors name the operator and point at the line that called `maker`. */
export function constructing<T>(name: string, maker: (...parameters: never[]) => unknown, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw atCaller(error, maker, name);
  }
}

/** Output `index` of a call; every operator has as many as its types say. */
export function nth(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (value === undefined)
    throw new HopfcoleError('WRONG_ARITY', `expected at least ${index + 1} values, got ${values.length}`);
  return value;
}
