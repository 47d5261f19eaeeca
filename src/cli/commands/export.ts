import { basename, join } from 'node:path';
import type { WeightFormat } from '../../../exporters/weights/export.ts';
import { HopfcoleError } from '../../files/error.ts';
import type { Arguments, Command, Outcome } from '../command.ts';
import { modelOptions, outputOption, text } from '../options.ts';

const targets = ['onnx', 'safetensors', 'pytorch', 'npz'] as const;

export const exportModel: Command = {
  usage: 'export <model>',
  describe:
    "to another stack: ONNX of another opset, inlined or with external data; or the weights under PyTorch's names",
  positionals: { model: { describe: 'an .onnx file; for safetensors, pytorch and npz any checkpoint too' } },
  options: {
    to: { type: 'string', choices: targets, default: 'onnx', describe: 'target', requiresArg: true },
    output: { ...outputOption, describe: 'folder, or a file of the target' },
    ...modelOptions,
  },
  example: 'hopfcole export fixtures/digits/digits_lse.onnx --to safetensors -o digits.safetensors',
  async run(args) {
    const target = text(args, 'to');
    return isWeights(target) ? weights(args, target) : onnx(args);
  },
};

/** What the file of a container is called, its usual ending first; how its reader loads it. */
const containers: Readonly<Record<WeightFormat, { endings: readonly string[]; load: (path: string) => string }>> = {
  safetensors: {
    endings: ['safetensors'],
    load: (path) => `model.load_state_dict(safetensors.torch.load_file('${path}'))`,
  },
  pytorch: {
    endings: ['pt', 'pth', 'bin', 'ckpt'],
    load: (path) => `model.load_state_dict(torch.load('${path}', weights_only=True))`,
  },
  npz: { endings: ['npz'], load: (path) => `numpy.load('${path}')` },
};

function isWeights(target: string): target is WeightFormat {
  return Object.hasOwn(containers, target);
}

async function onnx(args: Arguments): Promise<Outcome> {
  const path = text(args, 'model');
  const { assertSound, openModel, saveModel } = await import('../model-files.ts');
  const { withReading } = await import('../../reading/metadata.ts');
  const opened = await openModel(path);
  await assertSound(opened, path);
  const output = await destination(text(args, 'output'), path, ['onnx']);
  const files = await saveModel(withReading(opened.model), output, args, opened.folder);
  const start = `hopfcole run ${output} --input INPUT.npz -o OUTPUT.npz`;
  return {
    json: { target: 'onnx', files, start },
    text: [...files.map((file) => `wrote ${file}`), `run it with: ${start}`],
  };
}

/** The weights of a model, or of a checkpoint, in a container of their own: names and values kept. */
async function weights(args: Arguments, target: WeightFormat): Promise<Outcome> {
  const path = text(args, 'model');
  for (const name of Object.keys(modelOptions))
    if (args[name] !== undefined && args[name] !== false)
      throw new HopfcoleError('BAD_USAGE', `--${name} is for --to onnx, got --to ${target}`, { argument: `--${name}` });
  const { openFile } = await import('../../files/node/file.ts');
  const { recogniseFormat } = await import('../../checkpoint/recognise.ts');
  const { openWeights } = await import('../checkpoint-files.ts');
  const { openModel } = await import('../model-files.ts');
  const { stateDictOf } = await import('../../layers/state-dict.ts');
  const { withTiedNames } = await import('../../checkpoint/tied.ts');
  const { exportWeights } = await import('../../../exporters/weights/export.ts');
  const source = await openFile(path);
  const format = await recogniseFormat(source);
  await source.close?.();
  const checkpoint = format === 'onnx' || format === 'unknown' ? undefined : await openWeights(path);
  const tensors =
    checkpoint === undefined
      ? stateDictOf((await openModel(path)).model)
      : withTiedNames(checkpoint.tensors, checkpoint.metadata);
  const { endings, load } = containers[target];
  const output = await destination(text(args, 'output'), path, endings);
  const changed = [...(checkpoint?.changed ?? []), ...(await exportWeights(tensors, output, target))];
  const start = load(output);
  return {
    json: { target, files: [output], start, parameters: [...tensors.keys()], changed },
    text: [
      `wrote ${tensors.size} weights to ${output}`,
      ...changed.map(({ name, why }) => `changed ${name}: ${why}`),
      `load it with: ${start}`,
    ],
  };
}

/** The file to write: the one named, or one called as the model in the folder named, which is made. */
async function destination(given: string, model: string, endings: readonly string[]): Promise<string> {
  if (endings.some((ending) => given.toLowerCase().endsWith(`.${ending}`))) return given;
  const { mkdir } = await import('node:fs/promises');
  await mkdir(given, { recursive: true });
  return join(given, `${basename(model).replace(/\.[a-z0-9]+$/i, '')}.${endings[0]}`);
}
