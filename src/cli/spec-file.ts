import { HopfcoleError } from '../files/error.ts';
import { parseJson } from '../files/json.ts';
import { openFile } from '../files/node/file.ts';
import { parseSpec, type Spec } from '../layers/spec/spec.ts';

/** A specification is a page of JSON; anything larger than this is something else. */
const sizeLimit = 16 << 20;

/** @throws FILE_NOT_FOUND, BAD_JSON with the place, BAD_SPEC. */
export async function readSpec(path: string): Promise<Spec> {
  return parseSpec(await readJson(path), path);
}

async function readJson(path: string): Promise<unknown> {
  const source = await openFile(path);
  try {
    if (source.size > sizeLimit)
      throw new HopfcoleError(
        'BAD_SPEC',
        `a specification of ${source.size} bytes`,
        { file: path },
        'Name a JSON file',
      );
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await source.read(0, source.size));
    parseJson(text, path);
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof HopfcoleError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new HopfcoleError('BAD_JSON', `not JSON: ${why}`, { file: path }, 'Mend the JSON', { cause: error });
  } finally {
    await source.close?.();
  }
}
