import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { memorySource } from '../../src/files/source.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { hasPython, pythonFile } from '../support/python.ts';

/** Every node test of the ONNX backend corpus with a floating-point input and output: its co-state against differences. */

interface Verdict {
  readonly error?: string;
  /** What onnx's full check has against a co-state graph, and not against its model. */
  readonly unsound?: readonly string[];
  /** Whether all of it is float64: constants of half precision round. */
  readonly exact?: boolean;
  /** By variant and input: how far the co-state is from the difference, or why there is none. */
  readonly variants?: Readonly<Record<string, Readonly<Record<string, number | string>>>>;
  /** Floating-point inputs without a co-state: the greatest derivative that was seen. */
  readonly left?: Readonly<Record<string, number | string>>;
}

const kinds = ['open', 'known'] as const;

interface Exception {
  readonly why: string;
  /** Of lines `<model> (<variant>) ..` or `<model> <input> ..`. */
  readonly models: readonly RegExp[];
}

/** Models without a co-state graph. */
const notDifferentiated: readonly Exception[] = [
  {
    why: 'operators newer than opset 26',
    models: [/no co-state rule for (LinearAttention|CausalConvWithState|SwiGLU), which is of opset 2[78]/],
  },
  {
    why: 'element types that the operators of opset 21, of which rules are made, do not take',
    models: [
      /^test_(reversesequence|einsum|onehot)_.*bfloat16.*DTYPE_MISMATCH/,
      /^test_dequantizelinear_(uint2|int2|float4e2m1) .*DTYPE_MISMATCH/,
    ],
  },
  { why: 'operators of ai.onnx.ml, of trees and features', models: [/^test_ai_onnx_ml_/] },
  {
    why: 'optimisers and previews',
    models: [/^test_(adagrad|adam|momentum|nesterov_momentum)/, /^test_flexattention/],
  },
  {
    why: 'sizes must be known under a keep_aspect_ratio_policy',
    models: [/^test_resize_.*_not_(larger|smaller) \(open\)/],
  },
  {
    why: 'branches of two and of three spatial axes: no rank is known where the size comes at run time',
    models: [/^test_affine_grid_.*_expanded \(open\)/],
  },
  {
    why: "Scan of opset 8 has a batch axis and sequence lengths that today's has not",
    models: [/^test_scan_sum /],
  },
];

/** Co-states that differences say nothing of. */
const notComparable: readonly Exception[] = [
  {
    why: 'moduli of infinity and by zero, NaN and without a derivative',
    models: [/^test_mod_float_edge_cases_fmod_0_float\d+ \(\w+\) y/],
  },
  { why: 'drawn afresh in every run', models: [/^test_bernoulli/] },
  {
    why: 'moved numbers are no float8 any more, which the reference evaluator holds against the zero point',
    models: [/^test_dequantizelinear_e4m3fn_zero_point:/],
  },
];

/** Derivatives that are left out on purpose. */
const notPassed: readonly Exception[] = [
  { why: 'drawn afresh in every run', models: [/^test_bernoulli/] },
  { why: 'boxes pass nothing, as in torchvision', models: [/^test_roialign_.* rois/] },
  { why: 'the region of interest passes nothing', models: [/^test_resize_tf_crop_and_resize.* roi/] },
  { why: 'the scale that quantisation finds is taken for a constant', models: [/^test_dynamicquantizelinear.* x:/] },
  { why: 'the ratio of a dropout passes nothing, as in PyTorch', models: [/^test_training_dropout.* r:/] },
  { why: 'the reference evaluator resizes by whole numbers only', models: [/^test_upsample_nearest scales/] },
];

describe.skipIf(!hasPython)('co-states of the ONNX backend corpus', () => {
  const script = join(import.meta.dirname, 'backend-corpus.py');
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-costate-'));
  const refused: string[] = [];
  let index: readonly { readonly name: string; readonly operators: readonly string[] }[] = [];
  let verdicts: readonly Verdict[] = [];

  beforeAll(async () => {
    pythonFile(script, ['write', folder]);
    index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
    for (const [number, { name }] of index.entries())
      for (const kind of kinds) {
        const file = join(folder, `${number}.${kind}.onnx`);
        if (!existsSync(file)) continue;
        try {
          const model = await fromProto(await readModel(memorySource(readFileSync(file))));
          const made = costate(model, { seed: 'input' }).model;
          writeFileSync(join(folder, `${number}.${kind}.grad.onnx`), encodeModel(toProto(made)));
        } catch (error) {
          if (error instanceof HopfcoleError && ['NOT_FLOAT', 'NOT_DIFFERENTIABLE'].includes(error.code)) continue;
          refused.push(
            `${name} (${kind}): ${error instanceof HopfcoleError ? `${error.code} ${error.message}` : String(error)}`,
          );
        }
      }
    verdicts = JSON.parse(pythonFile(script, ['judge', folder]));
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const nameOf = (number: number): string => index[number]?.name ?? '';

  /** The lines that no exception covers. Each exception must be met by some line still. */
  const unexpected = (lines: readonly string[], exceptions: readonly Exception[]): readonly string[] => {
    const patterns = exceptions.flatMap(({ models }) => models);
    const stale = patterns.filter((pattern) => !lines.some((line) => pattern.test(line)));
    return [
      ...lines.filter((line) => !patterns.some((pattern) => pattern.test(line))),
      ...stale.map((pattern) => `no longer an exception: ${pattern}`),
    ];
  };

  it('differentiates every model', () => {
    expect(unexpected(refused, notDifferentiated)).toEqual([]);
  });

  it('agrees with differences', () => {
    const wrong = verdicts.flatMap(({ error, exact, variants = {} }, number) => {
      if (error !== undefined) return [`${nameOf(number)}: ${error}`];
      return Object.entries(variants).flatMap(([kind, inputs]) =>
        Object.entries(inputs).flatMap(([input, found]) =>
          typeof found === 'number' && found < (exact === true ? 1e-3 : 1e-2)
            ? []
            : [`${nameOf(number)} (${kind}) ${input}: ${found}`],
        ),
      );
    });
    expect(unexpected(wrong, notComparable)).toEqual([]);
  });

  it('has no co-state only where there is no derivative', () => {
    const wrong = verdicts.flatMap(({ left = {} }, number) =>
      refused.some((line) => line.startsWith(`${nameOf(number)} `))
        ? []
        : Object.entries(left).flatMap(([input, found]) =>
            typeof found === 'number' && found < 1e-6 ? [] : [`${nameOf(number)} ${input}: ${found}`],
          ),
    );
    expect(unexpected(wrong, notPassed)).toEqual([]);
  });

  it('makes graphs that pass the full check where their models do', () => {
    expect(verdicts.flatMap(({ unsound = [] }, number) => unsound.map((line) => `${nameOf(number)} ${line}`))).toEqual(
      [],
    );
  });

  it('judges nearly all of it', () => {
    expect(index.length).toBeGreaterThan(1300);
    const judged = (kind: string) => verdicts.filter(({ variants = {} }) => variants[kind] !== undefined).length;
    expect(judged('open')).toBeGreaterThan(1200);
    expect(judged('known')).toBeGreaterThan(300);
  });
});
