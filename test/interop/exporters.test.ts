import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importWeights } from '../../src/cli/commands/import.ts';
import { openModel, saveModel } from '../../src/cli/model-files.ts';
import { costate } from '../../src/costate/costate.ts';
import { perform } from '../support/command.ts';
import { hasPython, python, pythonFile } from '../support/python.ts';

interface Row {
  readonly network: string;
  readonly exporter: 'script' | 'dynamo';
  readonly opset: number;
  readonly model?: string;
  readonly failed?: string;
  readonly parameters?: readonly string[];
}

interface Answer {
  readonly equal: boolean;
  readonly bits: boolean;
  readonly error: number;
  readonly wrong: readonly string[];
  readonly held: readonly string[];
  readonly gradients: Readonly<Record<string, number>>;
}

interface Done extends Answer {
  readonly row: Row;
  readonly unchanged: boolean;
  readonly changed: readonly string[];
  readonly nodes: { readonly before: number; readonly after: number };
}

const script = join(import.meta.dirname, 'exporters.py');
const folder = hasPython ? mkdtempSync(join(tmpdir(), 'hopfcole-exporters-')) : '';
if (hasPython) pythonFile(script, ['make', folder]);
const rows: readonly Row[] = hasPython ? JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) : [];
const exported = rows.filter(({ model }) => model !== undefined);
const titled = exported.map((row) => [`${row.network} by ${row.exporter} at ${row.opset}`, row] as const);

/** Imports, cleans, differentiates what was cleaned. */
async function treated(row: Row) {
  const original = row.model ?? '';
  const at = (name: string): string => join(folder, name);
  const names = { lossless: `${original}.same`, cleaned: `${original}.clean`, costate: `${original}.costate` };
  const same = await perform(importWeights, { file: at(original), output: at(names.lossless) });
  const clean = await perform(importWeights, { file: at(original), output: at(names.cleaned), clean: true });
  const { model, folder: home } = await openModel(at(names.cleaned));
  const graph = costate(model, { wrt: ['parameters'], of: ['y'], seed: 'input' });
  await saveModel(graph.model, at(names.costate), {}, home);
  return {
    job: { original, network: row.network, ...names },
    unchanged: same.json.unchanged === true,
    changed: (clean.json.changed as { name: string }[]).map(({ name }) => name),
    nodes: (clean.json.cleaned as { nodes: Done['nodes'] }).nodes,
  };
}

describe.skipIf(!hasPython)('files of both exporters of PyTorch, at every opset they write', () => {
  const done = new Map<Row, Done>();
  beforeAll(async () => {
    const all = [];
    for (const row of exported) all.push({ row, ...(await treated(row)) });
    const program = readFileSync(script, 'utf8');
    const answers: Answer[] = JSON.parse(python(program, ['judge', folder], JSON.stringify(all.map(({ job }) => job))));
    all.forEach(({ row, unchanged, changed, nodes }, index) => {
      done.set(row, { row, unchanged, changed, nodes, ...(answers[index] as Answer) });
    });
  }, 120_000);
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const of = (row: Row): Done => {
    const found = done.get(row);
    if (found === undefined) throw new Error(`nothing is known of ${row.model}`);
    return found;
  };

  it('are there, but for what an exporter refuses', () => {
    expect(exported.length).toBeGreaterThan(29);
    expect(rows.filter(({ failed }) => failed !== undefined)).toEqual([]);
  });

  it.each(titled)('%s is imported message for message', (_, row) => {
    expect(of(row)).toMatchObject({ unchanged: true, equal: true });
  });

  it.each(titled)('%s gives the same numbers when it is clean', (_, row) => {
    const { bits, error } = of(row);
    // ONNX Runtime's kernels of two versions of an operator may round differently.
    if (!bits) expect(error).toBeLessThan(1e-6);
    expect(['conv', 'group'].includes(row.network) || bits).toBe(true);
  });

  it.each(titled)('%s holds the parameters under their names, or says what became of them', (_, row) => {
    const { wrong, held, changed } = of(row);
    expect(wrong).toEqual([]);
    const untold = (row.parameters ?? []).filter((name) => !held.includes(name) && !changed.includes(name));
    expect(untold.filter((name) => row.exporter === 'dynamo' || !isUntold(row, name))).toEqual([]);
    const missing = (row.parameters ?? []).filter((name) => !held.includes(name) && !isUntold(row, name));
    expect(missing).toEqual([]);
  });

  it.each(titled)("%s has PyTorch's gradients of all parameters it holds", (_, row) => {
    const { gradients, held } = of(row);
    const named = held.filter((name) => row.parameters?.includes(name));
    expect(Object.keys(gradients).sort()).toEqual(named.sort());
    // The keys' bias of a softmax has none: what is left is rounding.
    for (const [name, error] of Object.entries(gradients))
      expect(error, name).toBeLessThan(/in_proj_bias/.test(name) ? 1e-2 : 1e-3);
  });

  it('is smaller when it is clean: fewer nodes but for those that lay out restored parameters', () => {
    const total = { before: 0, after: 0 };
    for (const { nodes, row } of done.values()) {
      if (row.exporter === 'dynamo') continue;
      total.before += nodes.before;
      total.after += nodes.after;
    }
    expect(total.after).toBeLessThan(total.before * 0.75);
  });
});

/** What no file tells: what a folded batch normalisation was made of, and the second name of a tied parameter. */
function isUntold({ network }: Row, name: string): boolean {
  return (
    (network === 'conv' && /^(stem|down|norm)\./.test(name)) ||
    (network === 'attention' && /^(head|tokens)\.weight$/.test(name))
  );
}
