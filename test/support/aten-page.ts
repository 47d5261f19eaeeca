import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Family, families } from '../../src/torch/aten/table.ts';
import { notCovered } from '../torch/not-covered.ts';

const tests = join(import.meta.dirname, '../torch/aten');

const head = `# PyTorch's operators

Made by \`npm run generate:docs\` from the table that lowers them (\`src/torch/aten\`); a test holds that it is up to date, and another walks every operator that PyTorch tags as core.

A program of \`torch.export\` (\`.pt2\`) comes as traced or after \`run_decompositions()\`; both are read. What holds for every operator:

- **In place**: \`add_\` and its like are those of the same name without the underscore, written back to the tensor and to all that share its memory (views of views too).
- **Element types**: PyTorch's promotion, of tensors, 0-d tensors and numbers; integer arithmetic wraps, division and remainder are Python's. bfloat16 computes in float32; complex numbers are pairs of real ones.
- **Shapes**: dynamic sizes stay symbols; arithmetic on them is in the graph only where nothing simpler does.
- **Arguments**: one that is not understood is an error, never ignored. Everything that a program has and that is not supported is listed at once, with counts and module paths.
- **Tests**: each family has a file of its own in \`test/torch/aten\`, in which PyTorch exports small modules of every form, traced and decomposed, and its outputs and gradients are compared; whole networks are compared in \`test/torch/programs.test.ts\`.
`;

/** docs/aten.md as the table is now. */
export function atenPage(): string {
  const count = families.reduce((sum, family) => sum + targetsOf(family).length, 0);
  const sections = families.map(section);
  const gaps = Object.entries(notCovered).map(([target, why]) => `| \`${target}\` | ${why} |`);
  return `${[
    head,
    `${count} overloads in ${families.length} families.\n`,
    ...sections,
    '## Not covered\n',
    'Operators of Core ATen that are refused, and why.\n',
    '| operator | why |\n| --- | --- |',
    ...gaps,
  ].join('\n')}\n`;
}

function section(family: Family): string {
  const { name, test, componentwise = [], complex = {}, views = {} } = family;
  const text = readIfThere(join(tests, `${test}.py`)) + readIfThere(join(tests, `${test}.test.ts`));
  const rows = [...byOperator(targetsOf(family))].map(([operator, overloads]) => {
    const forms = overloads.map(({ overload, target }) => {
      const marks = [
        Object.hasOwn(views, target) ? 'view' : '',
        Object.hasOwn(complex, target) || componentwise.includes(target) ? 'complex' : '',
      ];
      const shown = marks.filter((mark) => mark !== '').join(', ');
      return shown === '' ? overload : `${overload} (${shown})`;
    });
    return `| \`${operator}\` | ${forms.join(', ')} |`;
  });
  const tested = text === '' ? '' : `Tested by \`${test}\`.\n`;
  return [`## ${name}\n`, tested, '| operator | overloads |\n| --- | --- |', ...rows, ''].join('\n');
}

function targetsOf({ rules = {}, views = {}, complex = {}, componentwise = [], higherOrder = {} }: Family): string[] {
  const all = [rules, views, complex, higherOrder].flatMap((part) => Object.keys(part));
  return [...new Set([...all, ...componentwise])].sort();
}

/** `aten.add.Tensor`, `aten.add.Scalar` -> `aten.add`: Tensor, Scalar. */
function byOperator(targets: readonly string[]): Map<string, { overload: string; target: string }[]> {
  const found = new Map<string, { overload: string; target: string }[]>();
  for (const target of targets) {
    const [, operator = target, overload = ''] = /^([^.]+\.[^.]+)\.(.+)$/.exec(target) ?? [];
    found.set(operator, [...(found.get(operator) ?? []), { overload, target }]);
  }
  return found;
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
