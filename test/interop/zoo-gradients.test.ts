import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openModel, saveModel } from '../../src/cli/model-files.ts';
import { type CostateOptions, costate } from '../../src/costate/costate.ts';
import { generated } from '../support/corpora.ts';
import { hasPython, python } from '../support/python.ts';

interface Row {
  readonly name: string;
  readonly exporter: string;
  readonly model?: string;
  readonly input: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly held: readonly string[];
  readonly changed: readonly string[];
  /** What PyTorch gave of it: vjp, mse, hvp. */
  readonly gradients: readonly string[];
}

/** On a person's machine a few of each kind; every network where CI=true. */
const few =
  'mlp,lse,if-scripted,lstm-scripted,pairs-scripted,scan,elementwise,softmaxes,norms,sdpa-mask,lstm-1,gru-2,cnn,unet,gpt-tied';

function made(): { folder: string; index: Row[] } {
  const ready = process.env.HOPFCOLE_ZOO;
  if (ready !== undefined) return { folder: ready, index: JSON.parse(readFileSync(join(ready, 'index.json'), 'utf8')) };
  const only = process.env.CI === 'true' ? [] : ['--only', few];
  return generated<Row>('fixtures/zoo.py', ['--gradients', ...only]);
}

const { folder, index } = hasPython ? made() : { folder: '', index: [] };
const filter = process.env.ONLY;
const rows = index.filter(
  ({ name, exporter, model }) =>
    model !== undefined && (filter === undefined || `${name} by ${exporter}`.includes(filter)),
);

/**
 * Networks with a parameter whose true co-state is zero or next to it, what is left of sums a million times as large: the scale before a
 * norm, the bias of the keys of a softmax. Rounding alone is compared there.
 */
const residues = new Set(['group-norm', 'bert-masked']);

interface Graph {
  readonly file: string;
  readonly input: string;
  readonly expected: string;
  readonly gradients: string;
  /** How often PyTorch's own difference between float32 and float64 is allowed. */
  readonly slack: number;
  /** Inputs that are not the network's: from which array of PyTorch's file. */
  readonly seeds: Readonly<Record<string, string>>;
  /** Outputs: which array each should be. */
  readonly compare: Readonly<Record<string, string>>;
}

type Answer = { readonly error?: string; readonly errors?: Readonly<Record<string, number | string>> };

/** Co-states of all that can be had of one exported network, written to a file. */
async function prepare(row: Row, kind: 'vjp' | 'mse' | 'hvp'): Promise<Graph & { names: readonly string[] }> {
  const { model, folder: home } = await openModel(join(folder, row.model ?? ''));
  const options = {
    vjp: { wrt: ['all'], seed: 'input' } as const,
    mse: { wrt: ['all'], loss: 'mse', of: row.outputs.slice(0, 1) } as const,
    hvp: { wrt: ['inputs'], seed: 'input', order: 2 } as const,
  }[kind] as CostateOptions;
  const { model: graph, gradients } = costate(model, options);
  const file = `gradients/${row.name}.${row.exporter}.${kind}.onnx`;
  await saveModel(graph, join(folder, file), {}, home);
  const leafOf = (name: string): string | undefined =>
    row.inputs.includes(name)
      ? `input:${inputName(row, name)}`
      : row.held.includes(name)
        ? `parameter:${name}`
        : undefined;
  const prefix = kind === 'mse' ? 'mse' : 'gradient';
  const compare: Record<string, string> = kind === 'mse' ? { loss: 'loss' } : {};
  const seeds: Record<string, string> = { target: 'target' };
  row.outputs.forEach((name, position) => {
    seeds[`cotangent_${name}`] = `cotangent:${position}`;
  });
  for (const { wrt, name } of gradients) {
    const leaf = leafOf(wrt);
    if (leaf === undefined) continue;
    compare[name] = `${prefix}:${leaf}`;
    if (kind !== 'hvp') continue;
    compare[`hvp_${wrt}`] = `hvp:${leaf}`;
    seeds[`direction_${wrt}`] = `direction:${leaf}`;
  }
  return {
    file,
    input: row.input,
    expected: `${row.name}.expected.npz`,
    gradients: `${row.name}.gradients.npz`,
    slack: residues.has(row.name) ? 3 : 1,
    seeds,
    compare,
    names: gradients.map(({ wrt }) => wrt),
  };
}

/** The name PyTorch's module has for an input of this graph. */
function inputName(row: Row, name: string): string {
  const original = index.find(
    (one) => one.name === row.name && one.inputs !== undefined && one.input === `${row.name}.input.npz`,
  );
  return original?.inputs[row.inputs.indexOf(name)] ?? name;
}

describe.skipIf(!hasPython).each(['vjp', 'mse', 'hvp'] as const)(
  'co-states (%s) of networks that PyTorch exported',
  (kind) => {
    // The loss brings an input of its own called target.
    const judged = rows.filter(
      ({ gradients, inputs }) => gradients.includes(kind) && !(kind === 'mse' && inputs.includes('target')),
    );
    const answers = new Map<Row, Answer & { names?: readonly string[] }>();
    beforeAll(async () => {
      mkdirSync(join(folder, 'gradients'), { recursive: true });
      const graphs: Graph[] = [];
      const asked: Row[] = [];
      for (const row of judged)
        try {
          const { names, ...graph } = await prepare(row, kind);
          answers.set(row, { names });
          graphs.push(graph);
          asked.push(row);
        } catch (error) {
          answers.set(row, {
            error:
              error instanceof Error
                ? ((process.env.VERBOSE ? error.stack : undefined) ?? error.message)
                : String(error),
          });
        }
      const program = readFileSync(join(import.meta.dirname, 'zoo-gradients.py'), 'utf8');
      const found = JSON.parse(python(program, [], JSON.stringify({ folder, graphs }))) as Answer[];
      asked.forEach((row, position) => {
        answers.set(row, { ...answers.get(row), ...found[position] });
      });
    }, 600_000);

    it.each(judged.map((row) => [`${row.name} by ${row.exporter}`, row] as const))('%s', (_, row) => {
      const answer = answers.get(row);
      expect(answer?.error).toBeUndefined();
      expect(answer?.names?.filter((name) => row.changed.includes(name))).toEqual([]);
      for (const [name, error] of Object.entries(answer?.errors ?? {}))
        expect(error, name).toSatisfy((value) => typeof value === 'number' && value < 1);
    });
  },
);
