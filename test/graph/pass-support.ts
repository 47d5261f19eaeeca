import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { memorySource } from '../../src/files/source.ts';
import type { Model } from '../../src/graph/graph.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import type { ModelProto } from '../../src/onnx/messages.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { pythonFile } from '../support/python.ts';

export const modelsScript = join(import.meta.dirname, 'models.py');

/** Models of a folder (those written by a pass, `NAME@VARIANT`, left out). */
export function modelsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.onnx') && !file.includes('@'))
    .map((file) => file.slice(0, -'.onnx'.length));
}

export function readProto(folder: string, name: string): Promise<ModelProto> {
  return readModel(memorySource(new Uint8Array(readFileSync(join(folder, `${name}.onnx`))), name));
}

export async function readGraph(folder: string, name: string): Promise<Model> {
  return fromProto(await readProto(folder, name));
}

export function writeVariant(folder: string, name: string, variant: string, model: Model): void {
  writeFileSync(join(folder, `${name}@${variant}.onnx`), encodeModel(toProto(model)));
}

/** Runs every variant in ONNX Runtime against the outputs recorded for its model. */
export function compareVariants(folder: string): { same: number; different: string[] } {
  return JSON.parse(pythonFile(modelsScript, ['compare', folder]));
}
