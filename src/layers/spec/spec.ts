import * as z from 'zod';
import type { DType } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { nearest } from '../../files/nearest.ts';
import type { LayerSpec } from './kind.ts';
import { layerKinds, nestedLayers } from './kinds.ts';

const floats = ['float32', 'float16', 'float64', 'bfloat16'] as const satisfies readonly DType[];
const inputTypes = [...floats, 'int64', 'int32', 'bool', 'uint8'] as const satisfies readonly DType[];

/**
 * The JSON description of a network of HJ layers. Layers follow one another; a layer may name others to take (`from`).
 * Sizes may be left out where a checkpoint gives them; parameter names follow PyTorch's state dict (`<name>.weight`, `<name>.bias`).
 */
const specSchema = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().min(1).default('network'),
  inputs: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        dtype: z.enum(inputTypes).default('float32'),
        shape: z
          .array(z.union([z.int().min(0), z.string().min(1)]))
          .min(1)
          .describe('numbers, or names of dimensions that stay open: ["batch", 64]'),
      }),
    )
    .min(1)
    .max(64),
  dtype: z
    .enum(floats)
    .optional()
    .describe('what the network computes in; default: the type of the first floating input, else float32'),
  output: z.string().min(1).default('output').describe('name of the output of the last layer'),
  outputs: z
    .record(z.string().min(1), z.string().min(1))
    .optional()
    .describe('further outputs: { "weights": "blocks.0.attn.weights" }, each a layer or a further output of one'),
  names: z
    .record(z.string().min(1), z.string().min(1))
    .optional()
    .describe(
      'where the checkpoint names parameters otherwise: { "head.*": "classifier.*" }, the network\'s name first; a * at the end of both stands for the rest',
    ),
  keepNames: z
    .boolean()
    .optional()
    .describe("parameters that names maps keep the checkpoint's names in the model, too; default: the network's"),
  layers: nestedLayers.describe('the layers, one after the other'),
});

/** A network's specification with all defaults filled in: what `parseSpec` gives. */
export interface Spec extends Omit<z.infer<typeof specSchema>, 'layers'> {
  readonly layers: readonly LayerSpec[];
}

const mostLayers = 10_000;

/**
 * Checks a parsed JSON document against the schema.
 * @throws BAD_SPEC with the JSON path, what was expected and got, and the nearest valid name.
 */
export function parseSpec(document: unknown, file?: string): Spec {
  const result = specSchema.safeParse(document, { reportInput: true });
  if (result.success && result.data.layers.length <= mostLayers) return result.data;
  if (result.success)
    throw new HopfcoleError('BAD_SPEC', `expected at most ${mostLayers} layers, got ${result.data.layers.length}`, {
      file,
    });
  // A misspelt field comes before the field it leaves missing.
  const unknown = result.error.issues.find(({ code }) => code === 'unrecognized_keys');
  const issue = unknown ?? result.error.issues[0];
  const { message, hint } = describeIssue(issue, document);
  throw new HopfcoleError('BAD_SPEC', message, { file, at: jsonPath(issue?.path ?? []) }, hint);
}

/** The published JSON Schema of SPEC (draft 2020-12), so that an editor completes it. */
export function specJsonSchema(): object {
  return z.toJSONSchema(specSchema, { io: 'input' });
}

type Issue = z.core.$ZodIssue;

const fallbackHint = 'hopfcole build --schema prints the JSON Schema';

function describeIssue(issue: Issue | undefined, document: unknown): { message: string; hint: string } {
  if (issue === undefined) return { message: 'not a network specification', hint: fallbackHint };
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const kind = kindAt(document, issue.path);
    const fields = fieldsOf(kind);
    const owner = kind === undefined ? '' : `; a layer of kind '${kind}' has ${fields.join(', ')}`;
    return { message: `unknown field '${key}'${owner}`, hint: nearestHint(key, fields) };
  }
  if (issue.code === 'invalid_union' && issue.path.at(-1) === 'kind') {
    const got =
      typeof issue.input === 'object' && issue.input !== null ? (issue.input as { kind?: unknown }).kind : issue.input;
    const known = [...layerKinds.keys()];
    return {
      message: `unknown layer kind ${show(got)}, expected ${known.join(', ')}`,
      hint: nearestHint(String(got), known),
    };
  }
  const got = issue.input === undefined ? 'nothing' : show(issue.input);
  if (issue.code === 'invalid_union') return { message: `${unionText(issue)}, got ${got}`, hint: fallbackHint };
  if (issue.code === 'invalid_value') {
    const allowed = issue.values.map(String);
    return {
      message: `expected one of ${allowed.join(', ')}, got ${got}`,
      hint: nearestHint(String(issue.input), allowed),
    };
  }
  const expected = issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '');
  return { message: `${expected}, got ${got}`, hint: fallbackHint };
}

/** What the members of a union expect, as one sentence. */
function unionText(issue: Extract<Issue, { code: 'invalid_union' }>): string {
  if (issue.path.at(-1) === 'epsilon' || issue.path.at(-1) === 'temperature')
    return 'expected a positive number or {"parameter": NAME}';
  const said = issue.errors.flatMap((own) => own.slice(0, 1).map(({ message }) => message));
  const texts = said.map((message) => message.replace(/^Invalid input: expected /, '').replace(/, received .*$/, ''));
  return `expected ${[...new Set(texts)].join(' or ')}`;
}

/** The kind of the layer a path leads into, where it leads into one. */
function kindAt(document: unknown, path: readonly PropertyKey[]): string | undefined {
  let here = document;
  let kind: string | undefined;
  for (const part of [undefined, ...path]) {
    if (part !== undefined) here = (here as Record<PropertyKey, unknown> | null | undefined)?.[part];
    const own = (here as { kind?: unknown } | null | undefined)?.kind;
    if (typeof own === 'string') kind = own;
  }
  return kind;
}

function fieldsOf(kind: string | undefined): string[] {
  const shape = kind === undefined ? undefined : layerKinds.get(kind)?.schema.shape;
  return shape === undefined ? [...Object.keys(specSchema.shape), 'dtype', 'shape'] : Object.keys(shape);
}

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

/** Whether networks compute in that element type. */
export function isComputing(dtype: DType): dtype is (typeof floats)[number] {
  return (floats as readonly string[]).includes(dtype);
}
