import { basename, join } from 'node:path';
import type { WeightFormat } from '../../../exporters/weights/export.ts';
import { HopfcoleError } from '../../files/error.ts';
import type { Arguments, Command, Outcome } from '../command.ts';
import { flag, modelOptions, outputOption, text } from '../options.ts';
import { weightsChosen, weightsOptions } from '../weights-options.ts';

const targets = ['onnx', 'safetensors', 'pytorch', 'npz'] as const;

export const exportModel: Command = {
  usage: 'export <model>',
  describe:
    "to another stack: ONNX of another opset, inlined or with external data; or the weights under PyTorch's names",
  positionals: { model: { describe: 'an .onnx file; for safetensors, pytorch and npz any checkpoint too' } },
  options: {
    to: { type: 'string', choices: targets, default: 'onnx', describe: 'target', requiresArg: true },
    clean: {
      type: 'boolean',
      default: false,
      describe:
        'for onnx: without what exporters leave behind, parameters under their state-dict names (as import --clean)',
    },
    output: { ...outputOption, describe: 'folder, or a file of the target' },
    names: {
      type: 'string',
      choices: ['file', 'huggingface'],
      default: 'file',
      describe: "of GGUF models: the file's names, or those of Hugging Face, rows of queries and keys in its order",
      requiresArg: true,
    },
    ...weightsOptions,
    ...modelOptions,
  },
  example: 'hopfcole export fixtures/digits/digits_lse.onnx --to safetensors -o digits.safetensors',
  async run(args) {
    const target = text(args, 'to');
    return isWeights(target) ? weights(args, target) : onnx(args);
  },
};

/** What the file of a container is called, its usual ending first. */
const endings: Readonly<Record<WeightFormat, readonly string[]>> = {
  safetensors: ['safetensors'],
  pytorch: ['pt', 'pth', 'bin', 'ckpt'],
  npz: ['npz'],
};

function isWeights(target: string): target is WeightFormat {
  return Object.hasOwn(endings, target);
}

async function onnx(args: Arguments): Promise<Outcome> {
  const path = text(args, 'model');
  for (const name of ['key', 'prefix', 'names'])
    if (args[name] !== undefined && args[name] !== 'file')
      throw new HopfcoleError('BAD_USAGE', `--${name} is for weights, got --to onnx`, { argument: `--${name}` });
  const { assertSound, openModel, saveModel } = await import('../model-files.ts');
  const { withReading } = await import('../../reading/metadata.ts');
  const opened = await openModel(path);
  await assertSound(opened, path);
  const output = await destination(text(args, 'output'), path, ['onnx']);
  const clean = flag(args, 'clean') ? await (await import('../clean-model.ts')).cleaned(opened.model, args) : undefined;
  const model = withReading(clean?.model ?? opened.model);
  const files = await saveModel(model, output, args, opened.folder);
  const changed = clean?.changed ?? [];
  const start = `hopfcole run ${output} --input INPUT.npz -o OUTPUT.npz`;
  return {
    json: { target: 'onnx', files, start, ...(clean === undefined ? {} : { changed }) },
    text: [
      ...files.map((file) => `wrote ${file}`),
      ...changed.map(({ name, why }) => `changed ${name}: ${why}`),
      `run it with: ${start}`,
    ],
  };
}

/** The weights of a model, or of a checkpoint, in a container of their own: names and values kept. */
async function weights(args: Arguments, target: WeightFormat): Promise<Outcome> {
  const path = text(args, 'model');
  for (const name of Object.keys(modelOptions))
    if (args[name] !== undefined && args[name] !== false)
      throw new HopfcoleError('BAD_USAGE', `--${name} is for --to onnx, got --to ${target}`, { argument: `--${name}` });
  const { writeWeights } = await import('../export-weights.ts');
  const output = await destination(text(args, 'output'), path, endings[target]);
  return writeWeights(path, output, target, { ...weightsChosen(args), renamed: text(args, 'names') === 'huggingface' });
}

/** The file to write: the one named, or one called as the model in the folder named, which is made. */
async function destination(given: string, model: string, endings: readonly string[]): Promise<string> {
  if (endings.some((ending) => given.toLowerCase().endsWith(`.${ending}`))) return given;
  const { mkdir } = await import('node:fs/promises');
  await mkdir(given, { recursive: true });
  // Only what is known to be an ending: a folder may well be called bge-small-en-v1.5.
  const name = basename(model).replace(/(\.(onnx|pt2?|pth|bin|ckpt|safetensors|npz|npy|gguf|index|json))+$/i, '');
  return join(given, `${name}.${endings[0]}`);
}
