import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CleaningReport } from '../../src/cli/clean-model.ts';
import { check } from '../../src/cli/commands/check.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { openModel, saveModel } from '../../src/cli/model-files.ts';
import { relativeError } from '../../src/cli/relative-error.ts';
import { readArrays } from '../../src/cli/tensor-files.ts';
import { costate } from '../../src/costate/costate.ts';
import type { Tensor } from '../../src/files/tensor.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { perform } from '../support/command.ts';
import { hasPython, python } from '../support/python.ts';

/** Networks that packages of the registry ship, unpacked by scripts/python-env: nothing of the packages is run. */
const models = join(import.meta.dirname, '../../.cache/models');
const there = hasPython && existsSync(join(models, 'packages.txt'));
if (!there && process.env.CI === 'true') throw new Error('no models of packages: run scripts/python-env');
if (!there) console.log('the models of packages are not here: scripts/python-env fetches them');

interface Network {
  readonly title: string;
  readonly file: string;
  /** dtype and shape of the inputs; an integer instead of a shape is the value of a scalar. */
  readonly inputs: Readonly<Record<string, readonly [string, readonly number[] | number]>>;
  readonly scale?: number;
  /** Nodes of the file, and at most after cleaning. */
  readonly nodes: readonly [number, number];
  readonly gradient?: {
    readonly of: string;
    readonly wrt: readonly string[];
    /** What is told of the inputs, where branches depend on it. */
    readonly narrowed?: { readonly shape: readonly string[]; readonly fix: readonly string[] };
  };
}

const voice = { input: ['float32', [2, 576]], state: ['float32', [2, 2, 128]], sr: ['int64', 16000] } as const;
const networks: readonly Network[] = [
  {
    title: 'silero-vad: speech activity, both rates in the branches of an If',
    file: 'silero_vad/data/silero_vad.onnx',
    inputs: voice,
    scale: 0.1,
    nodes: [689, 180],
    gradient: {
      of: 'stateN',
      wrt: ['input', 'state'],
      narrowed: { shape: ['input=batch,576', 'state=2,batch,128'], fix: ['sr=16000'] },
    },
  },
  {
    title: 'silero-vad: speech activity, as PyTorch 2.3 exported it',
    file: 'silero_vad/data/silero_vad_16k_op15.onnx',
    inputs: voice,
    scale: 0.1,
    nodes: [350, 85],
    gradient: {
      of: 'output',
      wrt: ['input', 'state', 'model.encoder.0.reparam_conv.weight', 'model.decoder.rnn.weight_ih'],
      narrowed: { shape: ['input=batch,576', 'state=2,batch,128'], fix: ['sr=16000'] },
    },
  },
  {
    title: 'rapidocr: which way up a line of text is',
    file: 'rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx',
    inputs: { x: ['float32', [1, 3, 48, 96]] },
    nodes: [566, 255],
    gradient: { of: 'save_infer_model/scale_0.tmp_1', wrt: ['x', 'fc_0.w_0', 'conv12_linear_weights'] },
  },
  {
    title: 'rapidocr: the characters of a line of text',
    file: 'rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx',
    inputs: { x: ['float32', [1, 3, 48, 64]] },
    nodes: [860, 420],
    gradient: { of: 'softmax_11.tmp_0', wrt: ['x', 'linear_83.w_0'] },
  },
  {
    title: 'magika: the type of a file',
    file: 'magika/models/standard_v3_3/model.onnx',
    inputs: { bytes: ['int32', [2, 2048]] },
    nodes: [95, 80],
  },
];

interface Judged {
  readonly error: number;
  readonly equal: boolean;
}
type Directions = Readonly<Record<string, { readonly expected: number; readonly got: number; readonly error: number }>>;

describe.skipIf(!there)('networks that packages ship', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-packages-'));
  const script = join(import.meta.dirname, 'packages.py');
  const judged = new Map<Network, Judged>();
  const directions = new Map<Network, Directions>();
  const reports = new Map<Network, { same: Record<string, unknown>; clean: Record<string, unknown> }>();

  beforeAll(async () => {
    const jobs: { network: Network; job: Record<string, unknown> }[] = [];
    for (const [index, network] of networks.entries()) {
      const original = join(models, network.file);
      const at = (name: string): string => join(folder, `${index}.${name}.onnx`);
      const same = await perform(importWeights, { file: original, output: at('same') });
      const clean = await perform(importWeights, { file: original, output: at('clean'), clean: true });
      reports.set(network, { same: same.json, clean: clean.json });
      const { inputs, scale, gradient } = network;
      const files = { original, same: `${index}.same.onnx`, changed: `${index}.clean.onnx` };
      jobs.push({ network, job: { kind: 'outputs', inputs, scale, ...files } });
      if (gradient === undefined) continue;
      const { of, wrt, narrowed } = gradient;
      const narrow = at(narrowed === undefined ? 'clean' : 'narrow');
      if (narrowed !== undefined)
        await perform(importWeights, { file: original, output: narrow, clean: true, ...narrowed });
      const { model, folder: home } = await openModel(narrow);
      await saveModel(costate(model, { of: [of], wrt, seed: 'input' }).model, at('costate'), {}, home);
      const graphs = { original, judged: narrow.slice(folder.length + 1), costate: `${index}.costate.onnx` };
      const job = { kind: 'gradient', inputs, scale, of, wrt, ...graphs };
      jobs.push({ network, job });
    }
    const answers = JSON.parse(
      python(readFileSync(script, 'utf8'), [folder], JSON.stringify(jobs.map(({ job }) => job))),
    );
    jobs.forEach(({ network, job }, index) => {
      if (job.kind === 'outputs') judged.set(network, answers[index]);
      else directions.set(network, answers[index]);
    });
  }, 240_000);
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const titled = networks.map((network, index) => [network.title, network, index] as const);

  it.each(titled)('%s: imported message for message, and sound', async (_, network, index) => {
    expect(reports.get(network)?.same.unchanged).toBe(true);
    expect(judged.get(network)?.equal).toBe(true);
    const { json } = await perform(check, { file: join(folder, `${index}.same.onnx`) });
    expect(json).toMatchObject({ format: 'onnx', problems: [] });
  });

  it.each(titled)('%s: the same outputs with fewer nodes', (_, network) => {
    expect(judged.get(network)?.error).toBeLessThan(1e-6);
    const report = reports.get(network)?.clean.cleaned as CleaningReport | undefined;
    expect(report?.nodes.before).toBe(network.nodes[0]);
    expect(report?.nodes.after).toBeLessThanOrEqual(network.nodes[1]);
  });

  it.each(titled)("%s: run here it gives what Python's ONNX Runtime gives", async (_, network, index) => {
    const arrays = await readArrays(join(folder, `${index}.clean.onnx.npz`));
    const session = await openSession(join(folder, `${index}.clean.onnx`), { provider: 'cpu' });
    const feeds = Object.fromEntries(session.inputs.map(({ name }) => [name, arrays.get(`in:${name}`) as Tensor]));
    const { outputs } = await session.run(feeds);
    await session.close();
    for (const [name, got] of outputs)
      expect(relativeError(arrays.get(`out:${name}`) as Tensor, got), network.title).toBeLessThan(1e-5);
  });

  const differentiable = titled.filter(([, { gradient }]) => gradient !== undefined);
  it.each(differentiable)('%s: its co-state is the difference quotient in float64', (_, network) => {
    const found = directions.get(network) ?? {};
    expect(Object.keys(found).sort()).toEqual(['forward', ...(network.gradient?.wrt ?? [])].sort());
    for (const [name, { error, got }] of Object.entries(found)) {
      expect(got, name).not.toBe(0);
      expect(error, name).toBeLessThan(1e-3);
    }
  });

  it('names what has no derivative: bytes of a file', async () => {
    const { model } = await openModel(join(models, 'magika/models/standard_v3_3/model.onnx'));
    expect(() => costate(model, { wrt: ['bytes'] })).toThrow(/'bytes'.*int32/);
    expect(costate(model, { wrt: ['parameters'] }).gradients.length).toBeGreaterThan(10);
  });
});
