import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Rule } from '../../src/costate/call.ts';
import { subgraphRules } from '../../src/costate/control/table.ts';
import { exempt } from '../../src/costate/exempt.ts';
import { contribRules } from '../../src/costate/rules/contrib.ts';
import { families } from '../../src/costate/table.ts';
import { schemaOf } from '../../src/graph/schema.ts';

const tests = join(import.meta.dirname, '../costate');

/** What the page says of nodes with subgraphs, whose rules are no formulas. */
const control: Readonly<Record<string, string>> = {
  If: 'the same condition again: each branch computes its values once more and pulls back through them to what it captures',
  Loop: 'a Loop from the last turn that was taken to the first: the forward Loop also gives, stacked, the states before each turn and what the way back reads of what it computed; what grows from turn to turn is refused',
  Scan: 'a Scan backward over the same slices and what the forward Scan records; weights that the body captures get one product over all turns',
  SequenceMap: 'the body once more for every element; what all elements share gets the sum',
};

const head = `# Operators and their co-states

Made by \`npm run generate:docs\` from the rules themselves (\`src/costate/rules\`); a test holds that it is up to date. The operators of \`ai.hopfcole\`, with rules of their own, are in [custom-operators.md](custom-operators.md).

In the formulas g is the co-state of the output y, x is the input (a, b where there are two), and sums over broadcast axes are understood. For every rule, where its line says nothing else:

- **Second order**: it is written with operators that have rules, so co-states of co-states (Hessian-vector products, any order) need nothing more.
- **Dynamic shapes**: sizes may be symbols or unknown; what broadcasting makes of them is then found at run time, and nothing of it is there when they are known. Ranks must be known where axes are counted.
- **Element types**: those ONNX allows, listed. Half precision sums in float32 as PyTorch does; bfloat16 runs in float32 where ONNX Runtime has no kernels.
- **Tests** (the files of \`test/costate\` that use the operator): against PyTorch's autograd in float64, against central differences in float64, second order against differences of the first and PyTorch's double backward, float32 in ONNX Runtime; each with known and with symbolic shapes, and past onnx's full check. The ONNX backend corpus and networks exported by both of PyTorch's exporters come on top.

Ties and kinks are PyTorch's where ONNX can tell: ReduceMax and ReduceMin share evenly (as \`amax\`), Clip passes at its bounds (as \`clamp\`). \`max(dim)\` and \`hardtanh\` differ there in PyTorch and look the same in ONNX.
`;

/** docs/operators.md as the rules are now. */
export function operatorPage(): string {
  const sources = readdirSync(tests)
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => ({ name: name.slice(0, -'.test.ts'.length), text: readFileSync(join(tests, name), 'utf8') }))
    .filter(({ name }) => !general.has(name));
  const tested = (operator: string): string => {
    const used = new RegExp(
      `\\bop\\.${operator}\\b|\\b(op|contrib)\\.${operator}\\(|['"\`]${operator}['"\` ]|\\b${operator}\\(`,
      'gi',
    );
    const found = sources.map(({ name, text }) => ({ name, count: [...text.matchAll(used)].length }));
    const most = found.filter(({ count }) => count > 0).sort((one, other) => other.count - one.count);
    return most
      .slice(0, mostTests)
      .map(({ name }) => name)
      .join(', ');
  };
  const sections = Object.entries(families).map(([title, rules]) => section(title, rules, tested, types));
  return `${[
    head,
    ...sections.filter((text) => text !== ''),
    table(
      'Control flow',
      Object.keys(subgraphRules).map((name) => [name, control[name] ?? '', 'any', tested(name)]),
    ),
    section('Operators of com.microsoft', contribRules, tested, () => 'floats'),
    zeros(),
    exemptions(),
  ].join('\n')}`;
}

/** As many files are named, those that use the operator most. */
const mostTests = 3;

/** Tests of the interface: the operators in them are examples. */
const general = new Set(['bad-input', 'coverage', 'operator-page', 'rewritten', 'parameters', 'transforms']);

type Told = (operator: string) => string;

function section(title: string, rules: Readonly<Record<string, Rule>>, tested: Told, typesOf: Told): string {
  const rows = Object.entries(rules)
    .filter(([, rule]) => rule.zero !== true)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { says, note }]) => [
      name,
      note === undefined ? says : `${says}<br>${note}`,
      typesOf(name),
      tested(name),
    ]);
  return rows.length === 0 ? '' : table(title, rows);
}

function table(title: string, rows: readonly (readonly string[])[]): string {
  const lines = rows.map(([name = '', ...cells]) => `| \`${name}\` | ${cells.map(cell).join(' | ')} |`);
  return [
    `## ${title}`,
    '| operator | co-state of its inputs | types | tests |',
    '|---|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

const short: Readonly<Record<string, string>> = { float16: '16', bfloat16: 'b16', float32: '32', float64: '64' };

/** The floating-point types of the first input that has any, as widths. */
function types(operator: string): string {
  const schema = schemaOf(operator, 26);
  for (const { type } of schema?.inputs ?? []) {
    const allowed = schema?.constraints.get(type) ?? new Set([type]);
    const named = Object.keys(short).filter((name) => allowed.has(name));
    if (named.length > 0) return named.map((name) => short[name]).join(' ');
    if ([...allowed].some((name) => /^(sequence|optional)\(.*float/.test(name))) return 'sequences';
  }
  return '';
}

function zeros(): string {
  const all = Object.values(families).flatMap((rules) => Object.entries(rules));
  const rows = all.filter(([, rule]) => rule.zero === true).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    '## Zero wherever they are differentiable',
    'A value that reaches the output through these alone has zeros for its co-state; no node is made for it before.',
    '',
    ...rows.map(
      ([name, { says, note }]) => `- \`${name}\`: ${[says, note].filter((text) => text !== undefined).join('; ')}`,
    ),
    '',
  ].join('\n');
}

function exemptions(): string {
  const reasons = [...new Set(Object.values(exempt))];
  return [
    '## Without a rule',
    'Nothing of these carries a co-state. A value that reaches the output through them alone is in `notDifferentiable`, with the path.',
    '',
    ...reasons.map((why) => {
      const names = Object.keys(exempt).filter((name) => exempt[name] === why);
      return `- ${why}: ${names.map((name) => `\`${name}\``).join(', ')}`;
    }),
    '',
  ].join('\n');
}
