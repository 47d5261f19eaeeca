import { openFile } from '../files/node/file.ts';
import { type ImportedProgram, importProgram } from '../torch/program.ts';
import type { Arguments } from './command.ts';
import { optionalText } from './options.ts';

/** A program of torch.export as a graph; its weights stay in the archive until they are written. */
export async function openProgram(path: string, args: Arguments = {}): Promise<ImportedProgram> {
  return importProgram(await openFile(path), { method: optionalText(args, 'method') });
}
