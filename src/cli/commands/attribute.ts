import { HopfcoleError } from '../../files/error.ts';
import { toNumbers } from '../../files/tensor.ts';
import type { Command, Outcome } from '../command.ts';
import { optionalNumber, optionalText, outputOption, providerOptions, text } from '../options.ts';
import { table, toJson } from '../output.ts';

const methods = ['gibbs'] as const;
const rowsShown = 8;

export const attribute: Command = {
  usage: 'attribute <model>',
  describe: 'which atoms decided: f, Gibbs weights, entropy, co-state, leave-one-out at an HJ site',
  positionals: { model: { describe: 'an .onnx file' } },
  options: {
    input: { type: 'string', describe: 'inputs of the model, as for run', requiresArg: true },
    output: { ...outputOption, describe: 'file to write: .npz, .safetensors, .json, or .html for a page' },
    site: { type: 'string', describe: 'the site (default: the last exact one; inspect lists them)', requiresArg: true },
    epsilon: { type: 'number', describe: 'another temperature at the same weights', requiresArg: true },
    top: { type: 'string', default: '10', describe: 'atoms kept per row: a number, or all', requiresArg: true },
    atoms: {
      type: 'string',
      describe: 'labels (.csv) or pictures (.npz) of the atoms, for the page',
      requiresArg: true,
    },
    method: { type: 'string', choices: methods, default: 'gibbs', describe: 'method', requiresArg: true },
    ...providerOptions,
  },
  example: 'hopfcole attribute fixtures/digits/digits_lse.onnx --input fixtures/digits/test.npz --ep cpu',
  async run(args, context): Promise<Outcome> {
    const path = text(args, 'model');
    const output = optionalText(args, 'output');
    const { attributionGraph, attributionResult } = await import('../../analysis/attribution.ts');
    const { openModel } = await import('../model-files.ts');
    const { openBuilt, providerJson, providerText } = await import('../session.ts');
    const { readInputs, tensorFormat, writeOutputs } = await import('../tensor-files.ts');
    const asJson = output?.toLowerCase().endsWith('.json') === true;
    const asPage = output?.toLowerCase().endsWith('.html') === true;
    if (output !== undefined && !asJson && !asPage) tensorFormat(output);
    const { model, folder } = await openModel(path, args);
    const epsilon = optionalNumber(args, 'epsilon', { above: 0, max: Number.MAX_VALUE });
    const graph = attributionGraph(model, {
      site: optionalText(args, 'site'),
      epsilon,
      top: topOf(args.top),
      withQuery: asPage,
    });
    const named = optionalText(args, 'atoms');
    const names =
      named === undefined ? undefined : await (await import('../atom-names.ts')).readAtomNames(named, graph.site);
    const session = await openBuilt(graph.model, folder, args, context);
    try {
      const feeds = await readInputs(text(args, 'input'), session.inputs);
      const run = await session.run(feeds, { signal: context.signal });
      const result = attributionResult(run.outputs);
      const json = {
        site: graph.site.name,
        kind: graph.site.kind,
        epsilon: result.epsilon,
        f: nested(result.f.shape, toNumbers(result.f)),
        entropy: nested(result.entropy.shape, toNumbers(result.entropy)),
        effectiveAtoms: nested(result.effectiveAtoms.shape, toNumbers(result.effectiveAtoms)),
        costate: nested(result.costate.shape, toNumbers(result.costate)),
        atoms: {
          index: nested(result.index.shape, toNumbers(result.index)),
          weight: nested(result.weight.shape, toNumbers(result.weight)),
          leaveOneOut: nested(result.leaveOneOut.shape, toNumbers(result.leaveOneOut)),
        },
      };
      if (output !== undefined && asJson)
        await (await import('../text-files.ts')).writeText(output, `${toJson(json)}\n`);
      if (output !== undefined && asPage) {
        const { attributionPage } = await import('../attribution-page.ts');
        const { writeText } = await import('../text-files.ts');
        const provider = session.provider.name;
        const input = text(args, 'input');
        await writeText(output, attributionPage({ model: path, input, provider, site: graph.site, result, names }));
      }
      if (output !== undefined && !asJson && !asPage)
        await writeOutputs(
          output,
          new Map([
            ['f', result.f],
            ['entropy', result.entropy],
            ['effective_atoms', result.effectiveAtoms],
            ['costate', result.costate],
            ['index', result.index],
            ['weight', result.weight],
            ['leave_one_out', result.leaveOneOut],
          ]),
        );
      return {
        json: {
          ...json,
          ...(output === undefined ? {} : { output }),
          ep: providerJson(session),
          milliseconds: run.milliseconds,
        },
        text: [
          `site ${graph.site.name} (${graph.site.kind}), epsilon ${result.epsilon}; ${providerText(session)}`,
          ...rowsText(result),
          ...(output === undefined ? [] : [`wrote ${output}`]),
        ],
      };
    } finally {
      await session.close();
    }
  },
};

function topOf(value: unknown): number | 'all' {
  if (value === 'all') return 'all';
  const count = Number(value);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  throw new HopfcoleError('BAD_USAGE', `expected a number of at least 1, or all, got ${String(value)}`, {
    argument: '--top',
  });
}

type Nested = number | readonly Nested[];

/** A flat array as nested lists of a shape. */
function nested(shape: readonly number[], values: Float64Array): Nested {
  const [size, ...rest] = shape;
  if (size === undefined) return values[0] ?? Number.NaN;
  if (rest.length === 0) return [...values];
  const step = rest.reduce((a, b) => a * b, 1);
  return Array.from({ length: size }, (_, i) => nested(rest, values.subarray(i * step, (i + 1) * step)));
}

function rowsText(result: {
  f: Tensors;
  entropy: Tensors;
  effectiveAtoms: Tensors;
  index: Tensors;
  weight: Tensors;
}): string[] {
  const [f, entropy, effective, index, weight] = [
    result.f,
    result.entropy,
    result.effectiveAtoms,
    result.index,
    result.weight,
  ].map((tensor) => toNumbers(tensor));
  if (
    f === undefined ||
    entropy === undefined ||
    effective === undefined ||
    index === undefined ||
    weight === undefined
  )
    return [];
  const heads = result.f.shape[1];
  const kept = f.length === 0 ? 0 : weight.length / f.length;
  const rows = [...f.keys()]
    .slice(0, rowsShown)
    .map((row) => [
      heads === undefined ? String(row) : `${Math.floor(row / heads)}.${row % heads}`,
      number(f[row]),
      number(entropy[row]),
      number(effective[row]),
      Array.from(
        { length: Math.min(3, kept) },
        (_, j) => `${index[row * kept + j]} (${number(weight[row * kept + j])})`,
      ).join('  '),
    ]);
  return [
    ...table([['row', 'f', 'entropy', 'effective atoms', 'heaviest atoms (pi)'], ...rows]),
    ...(f.length > rowsShown ? [`... ${f.length - rowsShown} more rows (-o FILE or --json for all)`] : []),
  ];
}

type Tensors = Parameters<typeof toNumbers>[0];

function number(value: number | undefined): string {
  return (value ?? Number.NaN).toPrecision(4);
}
