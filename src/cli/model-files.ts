import { dirname } from 'node:path';
import { exportOnnx, type OnnxTarget } from '../../exporters/onnx/export.ts';
import { domain } from '../../ops/domain.ts';
import { HopfcoleError } from '../files/error.ts';
import { openFile } from '../files/node/file.ts';
import { fileFolder } from '../files/node/folder.ts';
import type { Folder } from '../files/source.ts';
import type { Model } from '../graph/graph.ts';
import { describeType } from '../graph/type.ts';
import { assertInlinable } from '../graph/validate/functions.ts';
import { fromProto } from '../graph/wire/read.ts';
import type { ModelProto } from '../onnx/messages.ts';
import { readModel } from '../onnx/read.ts';
import { assertEpsilons } from '../reading/epsilon.ts';
import type { Arguments } from './command.ts';
import { graphFormatOf } from './file-format.ts';
import { flag, optionalNumber } from './options.ts';
import { openProgram } from './program-files.ts';

/** A model that was read, and the folder its external data lie in. */
export interface OpenedModel {
  /** The message it was read from; none of a program, which was lowered. */
  readonly proto: ModelProto | undefined;
  readonly model: Model;
  readonly folder: Folder;
}

/** Tensors of this size and more stay in the file until they are needed. */
const keepFrom = 1 << 20;

/** Reads an .onnx file, or a program (.pt2, of the `method` named), into the graph. Large weights stay in the file. */
export async function openModel(path: string, args: Arguments = {}): Promise<OpenedModel> {
  const folder = fileFolder(dirname(path));
  const format = await graphFormatOf(path);
  if (format === 'pt2') return { proto: undefined, model: (await openProgram(path, args)).model, folder };
  const source = await openFile(path);
  const proto = await readModel(source, { keepFrom });
  try {
    const model = await fromProto(proto, folder);
    assertEpsilons(model);
    return { proto, model, folder };
  } catch (error) {
    throw error instanceof HopfcoleError ? error.at({ file: path }) : error;
  }
}

/** @throws what makes the model invalid: what inference finds in branches that are never taken does not. */
export async function assertSound({ proto, model, folder }: OpenedModel, file: string): Promise<void> {
  if (proto === undefined || (model.problems ?? []).length === 0) return;
  const { assertValid } = await import('../graph/validate/validate.ts');
  try {
    await assertValid(proto, folder);
  } catch (error) {
    throw error instanceof HopfcoleError ? error.at({ file }) : error;
  }
}

/**
 * What a runtime would not tell of a file before it runs it.
 * @throws BAD_EPSILON for temperatures that no operator of ours can take (a runtime would answer with NaN);
 * RECURSIVE_FUNCTION, TOO_DEEP, INLINE_TOO_LARGE for functions that a runtime would inline until memory ends.
 */
export async function assertRunnable(path: string): Promise<void> {
  const source = await openFile(path);
  try {
    const proto = await readModel(source, { keepFrom: 1024 });
    if (proto.functions.length > 0) assertInlinable(proto);
    const ours = proto.functions.some((definition) => definition.domain === domain);
    if (ours) assertEpsilons(await fromProto(proto, fileFolder(dirname(path))));
  } catch (error) {
    throw error instanceof HopfcoleError ? error.at({ file: path }) : error;
  } finally {
    await source.close?.();
  }
}

/** `--opset --ir --inline --external-data`, as the exporter takes them. */
function targetOf(args: Arguments): OnnxTarget {
  return {
    opset: optionalNumber(args, 'opset', { integer: true, min: 1, max: 1000 }),
    ir: optionalNumber(args, 'ir', { integer: true, min: 1, max: 1000 }),
    inline: flag(args, 'inline'),
    externalData: flag(args, 'external-data'),
  };
}

/** Writes a model as the flags ask. */
export function saveModel(model: Model, path: string, args: Arguments, folder?: Folder): Promise<string[]> {
  return exportOnnx(model, path, { ...targetOf(args), folder });
}

/** Inputs and outputs as the JSON of every command describes them. */
export function signature(model: Model): { inputs: Described[]; outputs: Described[] } {
  const { inputs, outputs } = model.graph;
  return {
    inputs: inputs.filter(({ source }) => source.kind === 'input').map((value) => described(value.name ?? '', value)),
    outputs: outputs.map(({ name, value }) => described(name, value)),
  };
}

export interface Described {
  readonly name: string;
  readonly dtype: string | null;
  readonly shape: readonly (number | string | null)[] | null;
}

function described(name: string, value: Model['graph']['inputs'][number]): Described {
  const { type } = value;
  if (type?.kind === 'tensor')
    return { name, dtype: type.dtype ?? null, shape: type.shape?.map((dim) => dim ?? null) ?? null };
  return { name, dtype: describeType(type), shape: null };
}

/** `x  float32[batch, 64]`. */
export function describedText({ name, dtype, shape }: Described): string {
  return `${name}  ${dtype ?? 'unknown'}${shape === null ? '' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`}`;
}
