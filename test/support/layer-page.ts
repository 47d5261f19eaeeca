import * as z from 'zod';
import { layerKinds } from '../../src/layers/spec/kinds.ts';
import { specJsonSchema } from '../../src/layers/spec/spec.ts';

const head = `# Layers of a specification

Made by \`npm run generate:docs\` from the kinds themselves (\`src/layers/spec\`); a test holds that it is up to date. \`hopfcole build SPEC -o m.onnx\` builds a network with fresh weights, \`hopfcole import CHECKPOINT --spec SPEC -o m.onnx\` one with PyTorch's.

A specification is JSON; [spec.schema.json](spec.schema.json) is its schema, so that an editor completes and checks it (\`"$schema": "./spec.schema.json"\`):

\`\`\`json
{
  "name": "digits",
  "inputs": [{ "name": "x", "dtype": "float32", "shape": ["batch", 64] }],
  "output": "logits",
  "layers": [
    { "kind": "linear", "out": 128 },
    { "kind": "relu" },
    { "kind": "lse", "units": 10, "atoms": 32, "epsilon": 0.5 }
  ]
}
\`\`\`

- Names in a shape are dimensions that stay open. Integer inputs (\`int64\` tokens) are allowed; \`dtype\` says what the network computes in.
- Each layer takes what the layer before it gives, or what \`from\` names: inputs, layers before it, their further outputs (\`blocks.0.attn.weights\`).
- \`name\` is the prefix of a layer's parameters in the state dict; left out, it is the layer's position, as in nn.Sequential. Whole models stand at the root, and so does a layer called \`.\`.
- Sizes may be left out where a checkpoint gives them. What stands before every name of a checkpoint (\`module.\`, \`model.\`) is seen through, and \`names\` maps others: \`{ "head.*": "classifier.*" }\`.
- \`outputs\` asks for further outputs: \`{ "weights": "blocks.0.attn.weights" }\`.
- Parameters keep PyTorch's names, layout and values in the model; \`hopfcole export --to safetensors\` writes them back.
`;

/** docs/layers.md as the kinds are now. */
export function layerPage(): string {
  const sections = [...layerKinds.values()].map(({ kind, schema, root, about, takes }) => {
    const fields = Object.entries(schema.shape).filter(([name]) => !['kind', 'name', 'from'].includes(name));
    const notes = [
      root ? 'A whole model: its parameters stand at the root unless it is named.' : '',
      takes[1] > 1 ? `Takes ${takes[0] === takes[1] ? takes[0] : `${takes[0]} to ${takes[1]}`} values.` : '',
    ].filter((note) => note !== '');
    const rows = fields.map(([name, field]) => `| \`${name}\` | ${describe(field as z.ZodType)} |`);
    return [
      `## ${kind}`,
      ...[about, ...notes].filter((text) => text !== '').map((text) => `\n${text}`),
      ...(rows.length === 0 ? [] : ['', '| option | |', '|---|---|', ...rows]),
      '',
    ].join('\n');
  });
  return `${head}\n${sections.join('\n')}`;
}

/** docs/spec.schema.json. */
export function schemaPage(): string {
  return `${JSON.stringify(specJsonSchema(), undefined, 1)}\n`;
}

/** What a field takes, its default and what it means, in one cell. */
function describe(field: z.ZodType): string {
  const json = z.toJSONSchema(field, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Json;
  const fallback = json.default === undefined ? '' : `; default \`${JSON.stringify(json.default)}\``;
  const said = json.description ?? field.description;
  const text = `${typeText(json)}${fallback}${said === undefined ? '' : `: ${said}`}`;
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');
}

interface Json {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Json[];
  readonly items?: Json;
  readonly $ref?: string;
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

function typeText(json: Json): string {
  if (json.enum !== undefined) return json.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ');
  if (json.const !== undefined) return `\`${JSON.stringify(json.const)}\``;
  if (json.anyOf !== undefined) return json.anyOf.map(typeText).join(' or ');
  if (json.$ref !== undefined) return 'layers';
  if (json.type === 'array') return `list of ${json.items === undefined ? 'values' : typeText(json.items)}`;
  if (json.type === 'object') return `{${Object.keys(json.properties ?? {}).join(', ')}}`;
  return json.type ?? 'value';
}
