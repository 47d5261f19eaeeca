import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { attributionGraph, epsilonInput } from '../../analysis/attribution.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../files/tensor.ts';
import { importNetwork } from '../../layers/network.ts';
import { digitsReport } from '../../report/digits.ts';
import type { DigitsData } from '../../report/digits-data.ts';
import { packageVersion } from '../../runtime/node/ort.ts';
import { findAdapter } from '../../runtime/node/vulkan.ts';
import type { Session } from '../../runtime/session.ts';
import { openWeights } from '../checkpoint-files.ts';
import type { Arguments, Context, Outcome } from '../command.ts';
import { openModel, saveModel } from '../model-files.ts';
import { table } from '../output.ts';
import { openBuilt, openChild, remaining } from '../session.ts';
import { readSpec } from '../spec-file.ts';
import { writeText } from '../text-files.ts';
import { type Agreement, type Answers, agreementOf, answersOf, ranking, relative } from './answers.ts';
import { caseOf, chooseRows, classNames } from './cases.ts';
import { type DigitsFixture, digits, fixture, imagesAt, readDigits } from './data.ts';

const tolerance = 1e-5;
const timedRuns = 20;
const timedFor = 2000;
const sweepFrom = 0.01;
const sweepTo = 2.5;
const sweepCount = 49;

interface Timing {
  readonly what: string;
  readonly milliseconds: number;
  readonly note?: string;
}

/** The main job on the real checkpoint: import, export, run, compare with PyTorch, attribute, report. */
export async function demo(folder: string, args: Arguments, context: Context): Promise<Outcome> {
  const { progress } = context;
  const timings: Timing[] = [];
  const timed = async <T>(what: string, work: () => Promise<T>, note?: string): Promise<T> => {
    progress.update(what);
    const start = performance.now();
    const result = await work();
    timings.push({ what, milliseconds: performance.now() - start, ...(note === undefined ? {} : { note }) });
    return result;
  };
  await mkdir(folder, { recursive: true });
  const model = join(folder, 'digits.onnx');
  const report = join(folder, 'report.html');
  const data = await readDigits();
  const spec = await readSpec(fixture('digits_lse.json'));
  const network = await timed(
    'Import the PyTorch checkpoint',
    async () => importNetwork(spec, (await openWeights(fixture('digits_lse.pt'))).tensors),
    'digits_lse.pt: its headers; weights stay in the file',
  );
  await timed(
    'Write the ONNX model',
    () => saveModel(network.model, model, args),
    'the custom operator as a function of standard ones',
  );
  const images = imagesAt(data, data.test);
  const cpu = await scores(model, 'cpu', images, args, context);
  const answers = await timed(
    'Attribute every test image',
    () => attributed(model, images, args, context),
    '10 classes, all atoms',
  );
  const webgpu = findAdapter().kind === 'none' ? undefined : await scores(model, 'webgpu', images, args, context);
  const agreement = [
    ...rows('CPU', [
      { quantity: 'scores f', error: relative(cpu.f, data.recorded.f) },
      ...agreementOf(answers, data.recorded).filter(({ quantity }) => quantity !== 'scores f'),
    ]),
    ...(webgpu === undefined
      ? []
      : rows('WebGPU', [{ quantity: 'scores f', error: relative(webgpu.f, data.recorded.f) }])),
  ];
  const chosen = chooseRows(data, answers);
  const sweep = await timed(
    'Sweep epsilon',
    () => swept(model, data, chosen, args, context),
    `${sweepCount} temperatures, one graph`,
  );
  const correct = data.test.filter((position, row) => data.labels[position] === decidedBy(cpu.f, row)).length;
  const page: DigitsData = {
    network: { trainingImages: data.trainingImages, classes: digits, atoms: answers.atoms, epsilon: answers.epsilon },
    tested: data.test.length,
    correct,
    provider: webgpu === undefined ? 'CPU' : 'CPU and WebGPU',
    runtime: `ONNX Runtime ${packageVersion('onnxruntime-node') ?? ''}`,
    cases: chosen.map((row, at) => caseOf(data, answers, row, sweep, at)),
    confusion: { labels: [...classNames], counts: confusion(data, answers) },
    effectiveAtoms: Array.from({ length: answers.rows }, (_, row) =>
      Math.exp(answers.entropy[row * digits + (ranking(answers, row)[0] ?? 0)] ?? 0),
    ),
    agreement: agreement.map((row) => ({ ...row, tolerance })),
    timings: [
      {
        what: 'Scores of the test set',
        milliseconds: cpu.milliseconds,
        note: `${data.test.length} images, CPU, median of ${timedRuns} runs`,
      },
      ...(webgpu === undefined
        ? []
        : [
            {
              what: 'Scores of the test set, WebGPU',
              milliseconds: webgpu.milliseconds,
              note: webgpu.session.provider.device ?? 'GPU',
            },
          ]),
      ...timings,
    ],
    provenance: [
      'Images: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, CC BY 4.0; packaged by scikit-learn.',
      'Trained in PyTorch 2.13.0 by fixtures/digits.py; every number of this page was computed by ONNX Runtime from the exported model.',
    ],
  };
  progress.update('writing the report');
  await writeText(report, digitsReport(page));
  const accuracy = correct / data.test.length;
  const worst = (provider: string) =>
    Math.max(...agreement.filter((row) => row.provider === provider).map(({ error }) => error));
  const agreed = { cpu: worst('CPU'), ...(webgpu === undefined ? {} : { webgpu: worst('WebGPU') }) };
  return {
    json: { report, model, accuracy, agreement: agreed, milliseconds: cpu.milliseconds },
    text: [
      `accuracy on ${data.test.length} test images  ${(100 * accuracy).toFixed(1)} %`,
      '',
      ...table([
        ['agreement with PyTorch', 'on', 'relative error'],
        ...agreement.map(({ quantity, provider, error }) => [quantity, provider, error.toExponential(1)]),
      ]),
      '',
      ...table([['timing', 'ms', ''], ...page.timings.map((t) => [t.what, t.milliseconds.toFixed(1), t.note ?? ''])]),
      '',
      `model   ${model}`,
      `report  ${report}`,
    ],
    passed: agreement.every(({ error }) => error <= tolerance),
  };
}

function rows(provider: string, found: readonly Agreement[]): (Agreement & { provider: string })[] {
  return found.map((row) => ({ ...row, provider }));
}

interface Scores {
  readonly f: Float64Array;
  readonly milliseconds: number;
  readonly session: Session;
}

/** Scores of all images on one provider, and the median time of a warm run. */
async function scores(model: string, ep: string, images: Tensor, args: Arguments, context: Context): Promise<Scores> {
  context.progress.update(`running on ${ep}`);
  const session = await openChild(model, { ...args, ep, 'require-ep': true }, context);
  try {
    const run = () => session.run({ x: images }, { signal: context.signal, timeoutMs: remaining(context) });
    let last = await run();
    const times: number[] = [];
    const warm = performance.now();
    // A software adapter takes a second per run: time bounds the repetitions, not the count alone.
    for (let i = 0; i < timedRuns && (i < 3 || performance.now() - warm < timedFor); i++) {
      last = await run();
      times.push(last.milliseconds);
    }
    const f = last.outputs.get('f');
    const median = times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
    return { f: f === undefined ? new Float64Array(0) : toNumbers(f), milliseconds: median, session };
  } finally {
    await session.close();
  }
}

async function attributed(path: string, images: Tensor, args: Arguments, context: Context): Promise<Answers> {
  const { model, folder } = await openModel(path);
  const graph = attributionGraph(model, { top: 'all' });
  const session = await openBuilt(graph.model, folder, { ...args, ep: 'cpu' }, context);
  try {
    return answersOf(
      (await session.run({ x: images }, { signal: context.signal, timeoutMs: remaining(context) })).outputs,
    );
  } finally {
    await session.close();
  }
}

/** The chosen images at temperatures spaced evenly in log epsilon: epsilon is an input of the graph, nothing is exported again. */
async function swept(
  path: string,
  data: DigitsFixture,
  chosen: readonly number[],
  args: Arguments,
  context: Context,
): Promise<Answers[]> {
  const { model, folder } = await openModel(path);
  const graph = attributionGraph(model, { top: 'all', epsilon: 'input' });
  const session = await openBuilt(graph.model, folder, { ...args, ep: 'cpu' }, context);
  const x = imagesAt(
    data,
    chosen.map((row) => data.test[row] ?? 0),
  );
  try {
    const found: Answers[] = [];
    for (let i = 0; i < sweepCount; i++) {
      const epsilon = sweepFrom * (sweepTo / sweepFrom) ** (i / (sweepCount - 1));
      const feeds = { x, [epsilonInput]: fromNumbers('float32', [], [epsilon]) };
      found.push(
        answersOf((await session.run(feeds, { signal: context.signal, timeoutMs: remaining(context) })).outputs),
      );
      context.progress.update('Sweep epsilon', i + 1, sweepCount);
    }
    return found;
  } finally {
    await session.close();
  }
}

function decidedBy(f: Float64Array, row: number): number {
  const scores = f.subarray(row * digits, (row + 1) * digits);
  return scores.indexOf(Math.max(...scores));
}

/** How often a label (row) was decided as a class (column). */
function confusion(data: DigitsFixture, answers: Answers): number[][] {
  const counts = Array.from({ length: digits }, () => new Array<number>(digits).fill(0));
  data.test.forEach((position, row) => {
    const line = counts[data.labels[position] ?? 0];
    const decided = ranking(answers, row)[0] ?? 0;
    if (line !== undefined) line[decided] = (line[decided] ?? 0) + 1;
  });
  return counts;
}
