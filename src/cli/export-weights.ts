import { exportWeights, type WeightFormat } from '../../exporters/weights/export.ts';
import { asHuggingFace } from '../checkpoint/gguf/huggingface.ts';
import type { CheckpointOptions } from '../checkpoint/open.ts';
import { withPrefix } from '../checkpoint/select.ts';
import { withTiedNames } from '../checkpoint/tied.ts';
import { HopfcoleError } from '../files/error.ts';
import type { AnyTensor } from '../files/tensor.ts';
import type { Change } from '../files/tensors.ts';
import { stateDictOf } from '../layers/state-dict.ts';
import { openWeights } from './checkpoint-files.ts';
import type { Outcome } from './command.ts';
import { formatOf } from './file-format.ts';
import { openModel } from './model-files.ts';
import { weightsPath } from './weights-path.ts';

/** What reads a container, as its users write it. */
const loading: Readonly<Record<WeightFormat, (path: string) => string>> = {
  safetensors: (path) => `model.load_state_dict(safetensors.torch.load_file('${path}'))`,
  pytorch: (path) => `model.load_state_dict(torch.load('${path}', weights_only=True))`,
  npz: (path) => `numpy.load('${path}')`,
};

export interface ExportChoice extends Pick<CheckpointOptions, 'select' | 'prefix'> {
  /** Under Hugging Face's names, where the file has others. */
  readonly renamed?: boolean;
}

interface Weights {
  readonly tensors: ReadonlyMap<string, AnyTensor>;
  /** Those that the source could not give as they stood there. */
  readonly changed: readonly Change[];
}

/** The weights of a model, or of a checkpoint, in a container of their own: names and values kept. */
export async function writeWeights(
  path: string,
  output: string,
  target: WeightFormat,
  options: ExportChoice,
): Promise<Outcome> {
  const { tensors, changed: before } = await weightsOf(path, options);
  const changed = [...before, ...(await exportWeights(tensors, output, target))];
  const start = loading[target](output);
  return {
    json: { target, files: [output], start, parameters: [...tensors.keys()], changed },
    text: [
      `wrote ${tensors.size} weights to ${output}`,
      ...changed.map(({ name, why }) => `changed ${name}: ${why}`),
      `load it with: ${start}`,
    ],
  };
}

async function weightsOf(given: string, options: ExportChoice): Promise<Weights> {
  const path = await weightsPath(given);
  const format = await formatOf(path);
  if (options.renamed === true && format !== 'gguf')
    throw new HopfcoleError('BAD_USAGE', '--names huggingface is for GGUF models, which have names of their own', {
      argument: '--names',
    });
  if (format === 'onnx' || format === 'unknown' || format === 'pt2') {
    if (options.select !== undefined)
      throw new HopfcoleError('BAD_USAGE', '--key is for checkpoints, which hold dicts', { argument: '--key' });
    const all = {
      tensors:
        format === 'pt2' ? (await openWeights(path)).tensors : new Map(stateDictOf((await openModel(path)).model)),
      metadata: new Map(),
    };
    return {
      tensors: options.prefix === undefined ? all.tensors : withPrefix(all, options.prefix, path).tensors,
      changed: [],
    };
  }
  const checkpoint = await openWeights(path, options);
  if (options.renamed === true) return asHuggingFace(checkpoint, path);
  const { tensors, metadata, changed } = checkpoint;
  // Elsewhere metadata are what training wrote beside its weights, and name none.
  return { tensors: format.startsWith('safetensors') ? withTiedNames(tensors, metadata) : tensors, changed };
}
