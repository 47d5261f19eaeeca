import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** The rooms in the order of the house: a folder imports only from itself and from those above it. */
const order = [
  'src/files',
  'src/onnx',
  'src/graph',
  'ops',
  'src/costate',
  'src/layers',
  'src/checkpoint',
  'src/torch',
  'src/reading',
  'src/runtime',
  'src/training',
  'src/analysis',
  'src/report',
  'exporters',
  'src/cli',
];

/** Folders (and the entry of the command line) that may import Node's own modules. */
const nodeRooms = ['src/files/node', 'src/runtime/node', 'exporters', 'src/cli'];

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|js|mjs)$/.test(name) && !name.endsWith('.d.ts'))
    .map((name) => `${folder}/${name}`);
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((match) => match[1] ?? '');
}

function room(file: string): number {
  return order.findIndex((folder) => file.startsWith(`${folder}/`));
}

const files = ['src', 'ops', 'exporters'].flatMap(sources);

describe('the house', () => {
  it('has only rooms that the order knows', () => {
    const entries = ['src/index.ts', 'src/web.ts'];
    expect(files.filter((file) => room(file) < 0 && !entries.includes(file))).toEqual([]);
  });

  it('imports only upward', () => {
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => target.startsWith('.'))
        .map((target) => relative(root, resolve(root, dirname(file), target)))
        .filter((target) => room(file) >= 0 && room(target) > room(file))
        .map((target) => `${file} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps Node out of the core', () => {
    const wrong = files
      .filter((file) => !nodeRooms.some((folder) => file.startsWith(`${folder}/`)) && file !== 'src/index.ts')
      .filter((file) =>
        importsOf(file).some(
          (target) =>
            target.startsWith('node:') ||
            target === 'onnxruntime-node' ||
            (target.startsWith('.') &&
              nodeRooms.some((folder) =>
                relative(root, resolve(root, dirname(file), target)).startsWith(`${folder}/`),
              )),
        ),
      );
    expect(wrong).toEqual([]);
  });
});
