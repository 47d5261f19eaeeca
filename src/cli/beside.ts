import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HopfcoleError } from '../files/error.ts';
import { type Json, parseJson } from '../files/json.ts';
import { openFile } from '../files/node/file.ts';
import { checkRelativePath } from '../files/path.ts';
import type { Beside } from '../layers/recognise/recognise.ts';
import { type ConfiguredModule, sentenceModules } from '../layers/recognise/sentence.ts';

/** A configuration is a page of JSON; anything larger than this is something else. */
const sizeLimit = 16 << 20;

/**
 * What lies beside a checkpoint (a file, or the folder of it) and says what its shapes do not: config.json, or the file that was named; and
 * the modules.json of sentence-transformers with what it lists.
 * @throws FILE_NOT_FOUND for a file that was named, BAD_JSON, BAD_CONFIG, PATH_OUTSIDE_MODEL.
 */
export async function readBeside(path: string, configPath?: string): Promise<Beside> {
  const isFolder = await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  const folder = isFolder ? path : dirname(path);
  const file = configPath ?? join(folder, 'config.json');
  const document = configPath === undefined ? await readOptional(file) : await readDocument(file);
  const modules = await readModules(folder);
  return {
    // A list or a number beside the file is the configuration of something else.
    config: configPath !== undefined || document instanceof Map ? { document: document ?? null, file } : undefined,
    modules,
  };
}

async function readModules(folder: string): Promise<readonly ConfiguredModule[] | undefined> {
  const file = join(folder, 'modules.json');
  const document = await readOptional(file);
  if (document === undefined) return undefined;
  const modules = sentenceModules(document, file);
  if (modules === undefined) return undefined;
  return Promise.all(
    modules.map(async (module) => {
      if (module.path === '') return module;
      checkRelativePath(module.path, file);
      return { ...module, config: await readOptional(join(folder, module.path, 'config.json')) };
    }),
  );
}

async function readOptional(path: string): Promise<Json | undefined> {
  const isFile = await stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
  return isFile ? readDocument(path) : undefined;
}

async function readDocument(path: string): Promise<Json> {
  const source = await openFile(path);
  try {
    if (source.size > sizeLimit)
      throw new HopfcoleError(
        'BAD_CONFIG',
        `a configuration of ${source.size} bytes`,
        { file: path },
        'Name a JSON file',
      );
    return parseJson(textOf(await source.read(0, source.size), path), path);
  } finally {
    await source.close?.();
  }
}

function textOf(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new HopfcoleError('BAD_JSON', 'not JSON: the bytes are no UTF-8', { file }, 'Mend the JSON', {
      cause: error,
    });
  }
}
