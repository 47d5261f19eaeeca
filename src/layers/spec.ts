import * as z from 'zod';
import type { DType } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { nearest } from '../files/nearest.ts';

/**
 * The JSON description of a network of HJ layers: a chain of layers from one input to one output.
 * Sizes may be left out where a checkpoint gives them; parameter names follow PyTorch's state dict (`<name>.weight`, `<name>.bias`).
 */
const size = z
  .int()
  .min(1)
  .max(2 ** 40);
const parameterName = z.string().min(1);

/** Viscosity (= softmax temperature): a number, or the name of a scalar parameter that holds it (or its logarithm). */
const epsilon = z.union([
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

const named = {
  name: z
    .string()
    .min(1)
    .optional()
    .describe(
      'prefix of its parameters in the state dict, such as net.0 (what stands before every name may be left out); default: its position, as in nn.Sequential',
    ),
};

const bias = z
  .union([z.boolean(), parameterName])
  .default(true)
  .describe('false: the layer has none; a text: its name, as biasName gives it');

const weighted = {
  ...named,
  weight: parameterName
    .optional()
    .describe('name of the weight where it is not <name>.weight (the same name twice ties weights)'),
  biasName: parameterName.optional().describe('name of the bias where it is not <name>.bias'),
};

const linear = z.strictObject({
  kind: z.literal('linear'),
  ...weighted,
  in: size.optional().describe('input features; sizes may be left out where a checkpoint gives them'),
  out: size.optional().describe('output features'),
  bias,
  transposed: z.boolean().default(false).describe('the weight is stored [in, out], not [out, in]'),
});

const lse = z.strictObject({
  kind: z.literal('lse'),
  ...weighted,
  dim: size.optional().describe('d, the input features'),
  atoms: size.optional().describe('N, the atoms of each unit'),
  units: size
    .optional()
    .describe('K: a bank of K units, weight [K, N, d], output [batch, K]; absent: weight [N, d], output [batch]'),
  bias,
  epsilon: epsilon.default(1),
  keepdim: z.boolean().default(false).describe('a single unit gives [batch, 1] instead of [batch]'),
});

const relu = z.strictObject({ kind: z.literal('relu'), ...named });

const softmax = z.strictObject({
  kind: z.literal('softmax'),
  ...named,
  epsilon: epsilon.default(1).describe('temperature'),
});

const layer = z.discriminatedUnion('kind', [linear, lse, relu, softmax]);

const floats = ['float32', 'float16', 'float64', 'bfloat16'] as const satisfies readonly DType[];

const specSchema = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().min(1).default('network'),
  inputs: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        dtype: z.enum(floats).default('float32'),
        shape: z
          .array(z.union([z.int().min(0), z.string().min(1)]))
          .min(1)
          .describe('numbers, or names of dimensions that stay open: ["batch", 64]'),
      }),
    )
    .length(1),
  output: z.string().min(1).default('output').describe('name of the output'),
  layers: z.array(layer).min(1).max(10_000),
});

/** A network's specification with all defaults filled in: what `parseSpec` gives. */
export type Spec = z.infer<typeof specSchema>;
export type LayerSpec = z.infer<typeof layer>;
export type EpsilonSpec = z.infer<typeof epsilon>;

/**
 * Checks a parsed JSON document against the schema.
 * @throws BAD_SPEC with the JSON path, what was expected and got, and the nearest valid name.
 */
export function parseSpec(document: unknown, file?: string): Spec {
  const result = specSchema.safeParse(document, { reportInput: true });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const { message, hint } = describeIssue(issue);
  throw new HopfcoleError('BAD_SPEC', message, { file, at: jsonPath(issue?.path ?? []) }, hint);
}

/** The published JSON Schema of SPEC (draft 2020-12), so that an editor completes it. */
export function specJsonSchema(): object {
  return z.toJSONSchema(specSchema, { io: 'input' });
}

type Issue = z.core.$ZodIssue;

const fallbackHint = 'hopfcole build --schema prints the JSON Schema';

function describeIssue(issue: Issue | undefined): { message: string; hint: string } {
  if (issue === undefined) return { message: 'not a network specification', hint: fallbackHint };
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    return { message: `unknown field '${key}'`, hint: nearestHint(key, knownFields) };
  }
  if (issue.code === 'invalid_union' && issue.path.at(-1) === 'kind') {
    const got =
      typeof issue.input === 'object' && issue.input !== null ? (issue.input as { kind?: unknown }).kind : issue.input;
    return {
      message: `unknown layer kind ${show(got)}, expected ${kinds.join(', ')}`,
      hint: nearestHint(String(got), kinds),
    };
  }
  const got = issue.input === undefined ? 'nothing' : show(issue.input);
  if (issue.code === 'invalid_union')
    return { message: `expected a positive number or {"parameter": NAME}, got ${got}`, hint: fallbackHint };
  const expected = issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '');
  return { message: `${expected}, got ${got}`, hint: fallbackHint };
}

const kinds = ['linear', 'lse', 'relu', 'softmax'];
const knownFields = [
  ...Object.keys(specSchema.shape),
  ...[linear, lse, relu, softmax].flatMap((schema) => Object.keys(schema.shape)),
  'dtype',
  'shape',
];

function nearestHint(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? fallbackHint : `Did you mean '${near}'?`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function jsonPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((all, key) => (typeof key === 'number' ? `${all}[${key}]` : `${all}.${String(key)}`), '$');
}
