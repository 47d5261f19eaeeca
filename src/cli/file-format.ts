import { type Format, recogniseFormat } from '../checkpoint/recognise.ts';
import { openFile } from '../files/node/file.ts';

/** What a file is, by its content. */
export async function formatOf(path: string): Promise<Format> {
  const source = await openFile(path);
  try {
    return await recogniseFormat(source);
  } finally {
    await source.close?.();
  }
}
