import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HopfcoleError } from '../files/error.ts';

/** What a folder of a model holds its weights in; the first that is there is taken. */
const usual = [
  'model.safetensors.index.json',
  'model.safetensors',
  'pytorch_model.bin.index.json',
  'pytorch_model.bin',
  'diffusion_pytorch_model.safetensors.index.json',
  'diffusion_pytorch_model.safetensors',
  'diffusion_pytorch_model.bin',
  'adapter_model.safetensors',
  'adapter_model.bin',
];

/**
 * The file that holds the weights where a folder was named, as Hugging Face lays models out; any other path as it is.
 * @throws NOT_A_FILE where the folder has none of them.
 */
export async function weightsPath(path: string): Promise<string> {
  const isFolder = await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) return path;
  for (const name of usual) {
    const file = join(path, name);
    const isFile = await stat(file).then(
      (stats) => stats.isFile(),
      () => false,
    );
    if (isFile) return file;
  }
  throw new HopfcoleError(
    'NOT_A_FILE',
    `a folder that holds none of ${usual.slice(0, 4).join(', ')}`,
    { file: path },
    'Name the file itself',
  );
}
