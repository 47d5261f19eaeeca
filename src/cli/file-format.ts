import { type Format, noScriptGraph, recogniseFormat } from '../checkpoint/recognise.ts';
import { openFile } from '../files/node/file.ts';
import { weightsPath } from './weights-path.ts';

/** What a file is, by its content; of a folder, what its weights are in. */
export async function formatOf(path: string): Promise<Format> {
  const source = await openFile(await weightsPath(path));
  try {
    return await recogniseFormat(source);
  } finally {
    await source.close?.();
  }
}

/** What a file is that a graph is wanted of. @throws UNSUPPORTED_FORMAT for TorchScript, whose graph is not read. */
export async function graphFormatOf(path: string): Promise<Format> {
  const format = await formatOf(path);
  if (format === 'torchscript') throw noScriptGraph(path);
  return format;
}
