import * as z from 'zod';
import type { DType } from '../../files/dtype.ts';
import type { Shape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import type { Module } from '../module.ts';

/** One layer of a specification as it was parsed, with its defaults filled in. */
export interface LayerSpec {
  readonly kind: string;
  readonly name?: string | undefined;
  /** Names of the values it takes: graph inputs, layers before, or their further outputs (`<layer>.<output>`). */
  readonly from?: string | readonly string[] | undefined;
  readonly [option: string]: unknown;
}

/** Where a layer of a specification is built. */
export interface Place<Options> {
  readonly module: Module;
  /** What it takes: the layer before it, or what `from` names. */
  readonly input: Value;
  readonly inputs: readonly Value[];
  readonly options: Options;
  /** Whether the specification asks for the further output of that name. */
  readonly asked: (name: string) => boolean;
  /** Offers a further output of the layer under `<layer>.<name>`. */
  readonly expose: (name: string, value: Value) => void;
  /** A further input of the graph (a mask, a state, a cache); the same name twice is the same input. */
  readonly graphInput: (name: string, dtype: DType, shape: Shape) => Value;
  /** A further output of the graph, whether asked for or not (a state, a cache). */
  readonly graphOutput: (name: string, value: Value) => void;
  /** Builds nested layers one after the other inside a module; `base` names them in the JSON path of errors. */
  readonly chain: (layers: readonly LayerSpec[], module: Module, x: Value, base: string) => Value;
}

/** A kind of layer: what its JSON may hold, and how it is built. */
export interface LayerKind {
  readonly kind: string;
  readonly schema: z.ZodObject;
  /** Its parameters stand at the root of the state dict where it has no name: a whole model. */
  readonly root: boolean;
  /** How many values it takes: at least and at most. */
  readonly takes: readonly [number, number];
  /** What it is and whose parameters it takes, for docs/layers.md and the schema. */
  readonly about: string;
  readonly build: (place: Place<never>) => Value;
}

const common = {
  name: z
    .string()
    .min(1, "Invalid input: expected a name ('.' where the parameters stand at the root of the state dict)")
    .optional()
    .describe(
      'prefix of its parameters in the state dict, such as net.0 (what stands before every name may be left out); default: its position, as in nn.Sequential; a whole model stands at the root, and so does a layer called .',
    ),
  from: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe(
      'what it takes: names of inputs, of layers before it or of their further outputs; default: the layer before it',
    ),
};

/** Declares a kind of layer. `fields` are the options of its JSON; `build` gets them parsed, defaults filled in. */
export function kind<Fields extends z.core.$ZodLooseShape>(
  name: string,
  fields: Fields,
  build: (place: Place<z.output<z.ZodObject<Fields>>>) => Value,
  { root = false, takes = [1, 1] as readonly [number, number], about = '' } = {},
): LayerKind {
  const schema = z.strictObject({
    kind: about === '' ? z.literal(name) : z.literal(name).describe(about),
    ...common,
    ...fields,
  });
  return { kind: name, schema, root, takes, about, build: build as (place: Place<never>) => Value };
}

/** A size: at least one. */
export const size = z
  .int()
  .min(1)
  .max(2 ** 40);

export const parameterName = z.string().min(1);

/** Viscosity (= softmax temperature): a number, or the name of a scalar parameter that holds it (or its logarithm). */
export const epsilon = z.union([
  z
    .number()
    .positive()
    .refine((value) => Math.fround(value) > 0 && Number.isFinite(Math.fround(value)), {
      message: 'expected a number that float32 can hold',
    })
    .describe('a fixed value; it stays an input of the operator, so a sweep needs no new export'),
  z
    .strictObject({ parameter: parameterName, transform: z.enum(['none', 'exp', 'softplus']).default('none') })
    .describe('a scalar of the checkpoint, transformed'),
]);
