import { atomicWrite } from '../files/node/write.ts';

/** Writes text; the file appears whole or not at all. */
export async function writeText(path: string, content: string): Promise<void> {
  await atomicWrite(path, (sink) => sink.write(new TextEncoder().encode(content)));
}
