import { HopfcoleError } from '../files/error.ts';
import type { ByteSource } from '../files/source.ts';
import { openZip } from '../files/zip/read.ts';

/** What a file is, by its content. */
export type Format =
  | 'onnx'
  | 'pt2'
  | 'torch-zip'
  | 'torch-legacy'
  | 'torchscript'
  | 'safetensors'
  | 'safetensors-sharded'
  | 'torch-sharded'
  | 'torch-package'
  | 'npz'
  | 'npy'
  | 'parquet'
  | 'gguf'
  | 'hdf5'
  | 'pickle'
  | 'zip'
  | 'unknown';

const marks: readonly (readonly [Format, readonly number[]])[] = [
  ['gguf', [...'GGUF'].map(codeOf)],
  ['npy', [0x93, ...[...'NUMPY'].map(codeOf)]],
  ['parquet', [...'PAR1'].map(codeOf)],
  ['hdf5', [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a]],
];

/** A pickle of torch's magic number, 0x1950a86a20f9469cfc6c. */
const legacy = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** What a file is, by its content, whatever it is called. A damaged archive is an error: nothing more can be told of it. */
export async function recogniseFormat(source: ByteSource): Promise<Format> {
  const head = await source.read(0, Math.min(512, source.size));
  for (const [format, mark] of marks) if (startsWith(head, mark)) return format;
  if (startsWith(head, [0x50, 0x4b, 3, 4]) || startsWith(head, [0x50, 0x4b, 5, 6])) return archiveFormat(source);
  const headerLength = safetensorsHeader(head);
  // A header of 128 bytes begins as a pickle of protocol 0 does: what fits in the file is asked first.
  if (headerLength <= BigInt(source.size)) return 'safetensors';
  if (head[0] === 0x80 && (head[1] ?? 99) <= 5) return isLegacy(head) ? 'torch-legacy' : 'pickle';
  if (await isTar(source)) return 'torch-legacy';
  if (headerLength < 2n ** 40n) return 'safetensors';
  if (/^(\xef\xbb\xbf)?\s*\{/.test(String.fromCharCode(...head))) return jsonFormat(source);
  return (await isOnnx(source)) ? 'onnx' : 'unknown';
}

/** Protocol 4 and later put a frame before the number. */
function isLegacy(head: Uint8Array): boolean {
  return startsWith(head.subarray(2), legacy) || (head[2] === 0x95 && startsWith(head.subarray(11), legacy));
}

/** The oldest torch files are tar archives. */
export async function isTar(source: ByteSource): Promise<boolean> {
  return source.size >= 512 && startsWith(await source.read(257, 5), [...'ustar'].map(codeOf));
}

/** The length that a safetensors file gives its header, a JSON object; more than any file has where it is none. */
function safetensorsHeader(head: Uint8Array): bigint {
  if (head.byteLength <= 8 || head[8] !== 0x7b) return 2n ** 64n;
  return new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true);
}

async function archiveFormat(source: ByteSource): Promise<Format> {
  const names = [...(await openZip(source)).entries.keys()];
  const has = (pattern: RegExp) => names.some((name) => pattern.test(name));
  // Before PyTorch 1.4 an archive said in JSON what its pickle says since.
  if (has(/^([^/]+\/)?model\.json$/) && has(/^([^/]+\/)?tensors\/\d+$/)) return 'torchscript';
  if (has(/^([^/]+\/)?\.data\/extern_modules$/)) return 'torch-package';
  if (has(/^([^/]+\/)?constants\.pkl$/) && has(/^([^/]+\/)?data\.pkl$/)) return 'torchscript';
  if (has(/^([^/]+\/)?(archive_format|serialized_exported_program\.json|models\/[^/]+\.json)$/)) return 'pt2';
  if (has(/^([^/]+\/)?data\.pkl$/)) return 'torch-zip';
  return names.length > 0 && names.every((name) => name.endsWith('.npy')) ? 'npz' : 'zip';
}

const indexLimit = 256 * 2 ** 20;

async function jsonFormat(source: ByteSource): Promise<Format> {
  if (source.size > indexLimit) return 'unknown';
  const text = new TextDecoder().decode(await source.read(0, source.size));
  if (!/"weight_map"\s*:/.test(text)) return 'unknown';
  // Shards are called by their kind; an index that names both is read as both.
  const isTorch = /:\s*"[^"\\]*\.(bin|pt|pth|ckpt)"/.test(text) && !/:\s*"[^"\\]*\.safetensors"/.test(text);
  return isTorch ? 'torch-sharded' : 'safetensors-sharded';
}

/** The fields of a ModelProto and how each is written (0 number, 2 message or text). */
const modelFields: Readonly<Record<number, number>> = {
  1: 0,
  2: 2,
  3: 2,
  4: 2,
  5: 0,
  6: 2,
  7: 2,
  8: 2,
  14: 2,
  20: 2,
  25: 2,
  26: 2,
};

/** Walks over the top fields of a message: a model has an IR version and a graph and little else that is known. */
async function isOnnx(source: ByteSource): Promise<boolean> {
  const seen = new Set<number>();
  let known = 0;
  let at = 0;
  for (let fields = 0; at < source.size && fields < 1000; fields++) {
    const bytes = await source.read(at, Math.min(20, source.size - at));
    const tag = varint(bytes, 0);
    if (tag === undefined) break;
    const field = Math.floor(tag.value / 8);
    const type = tag.value % 8;
    const expected = Object.hasOwn(modelFields, field) ? modelFields[field] : undefined;
    if (field === 0 || type === 3 || type === 4 || type > 5 || (expected !== undefined && expected !== type))
      return false;
    if (expected !== undefined) known += 1;
    seen.add(field);
    const body = varint(bytes, tag.next);
    if (type === 0 && body !== undefined) at += body.next;
    else if (type === 2 && body !== undefined) at += body.next + body.value;
    else if (type === 1) at += tag.next + 8;
    else if (type === 5) at += tag.next + 4;
    else break;
  }
  // A file that is cut short is still known by its beginning.
  return known > 0 && (seen.has(7) || seen.has(1)) && known * 2 > seen.size;
}

function varint(bytes: Uint8Array, from: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[from + i];
    if (byte === undefined) return undefined;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, next: from + i + 1 };
  }
  return undefined;
}

function startsWith(bytes: Uint8Array, mark: readonly number[]): boolean {
  return mark.every((byte, index) => bytes[index] === byte);
}

function codeOf(char: string): number {
  return char.charCodeAt(0);
}

const refusals: Partial<Record<Format, readonly [string, string]>> = {
  'torch-package': [
    'it is an archive of torch.package, which is code',
    'Load it with torch.package.PackageImporter and save the state dict',
  ],
  pickle: ['it is a bare pickle, no checkpoint', 'Save the state dict with torch.save or as .safetensors'],
  hdf5: ['HDF5 files are not read', 'Save the weights as .npz or .safetensors'],
  onnx: ['it is an ONNX model, no checkpoint', 'Use it where a model is expected'],
  pt2: ['it is a program of torch.export, no plain checkpoint', 'Use it where a program is expected'],
};

/** Why a TorchScript archive is not taken where a graph is needed, with what to do about it. */
export function noScriptGraph(file: string): HopfcoleError {
  return new HopfcoleError(
    'UNSUPPORTED_FORMAT',
    'it is a TorchScript archive, of which the weights are read and the graph is not',
    { file },
    "Export the program: torch.export.save(torch.export.export(model.eval(), inputs), 'm.pt2')",
  );
}

/** Why a file of this format is no checkpoint that can be read here, with what to do about it. */
export function notCheckpoint(format: Format, file: string): HopfcoleError {
  const [what, hint] = refusals[format] ?? [
    'it is none of the formats that are read (.pt, .pth, .bin, .ckpt, .safetensors, .npz, .npy, .gguf)',
    'Check that the file is what its name says',
  ];
  return new HopfcoleError('UNSUPPORTED_FORMAT', what, { file }, hint);
}
