import type { Checkpoint, CheckpointOptions } from '../checkpoint/open.ts';
import { byteLengthOf } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { elementCount } from '../files/tensor.ts';
import { openWeights } from './checkpoint-files.ts';
import { codeText } from './code-text.ts';
import type { Outcome } from './command.ts';
import { describeRecognised, recognisedAs } from './describe-recognised.ts';
import { formatOf } from './file-format.ts';
import { table } from './output.ts';

/** Describes a checkpoint: its headers are read, its tensors are not. A format that is only recognised is said with what to do about it. */
export async function inspectCheckpoint(
  path: string,
  options: Pick<CheckpointOptions, 'select' | 'prefix'> = {},
): Promise<Outcome> {
  const checkpoint = await opened(path, options);
  const { format, tensors, metadata, changed, code, problems } = checkpoint;
  const parameters = [...tensors].map(([name, { dtype, shape }]) => ({
    name,
    dtype,
    shape,
    bytes: byteLengthOf(dtype, elementCount(shape)),
  }));
  const parameterCount = parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const bytes = parameters.reduce((sum, parameter) => sum + parameter.bytes, 0);
  const recognised = await recognisedAs(path, checkpoint);
  const told = problems.map(({ code, message, where }) => ({ code, message, where }));
  return {
    json: {
      format,
      inputs: [],
      outputs: [],
      parameters,
      parameterCount,
      operators: {},
      functions: [],
      sites: [],
      recognised: recognised ?? null,
      metadata: Object.fromEntries(metadata),
      changed,
      code,
      problems: told,
    },
    text: [
      `${path}: ${format}, ${parameters.length} tensors, ${parameterCount} numbers, ${bytes} bytes`,
      ...table(parameters.map((p) => [`  ${p.name}`, p.dtype, `[${p.shape.join(', ')}]`])),
      ...(recognised === undefined ? [] : describeRecognised(recognised)),
      ...[...metadata].slice(0, 20).map(([key, value]) => `metadata ${key}: ${String(value).slice(0, 200)}`),
      ...changed.map(({ name, why }) => `changed ${name}: ${why}`),
      ...codeText(code),
      ...told.map(({ code, message, where }) => {
        const tensor = where.tensor === undefined ? '' : ` ${JSON.stringify(where.tensor)}`;
        return `problem ${code}${tensor}: ${message}`;
      }),
    ],
  };
}

/** A checkpoint that cannot be opened is still described by its format, where that is known. */
async function opened(path: string, options: CheckpointOptions): Promise<Checkpoint> {
  try {
    return await openWeights(path, { ...options, forgiving: true });
  } catch (error) {
    if (!(error instanceof HopfcoleError) || error.code !== 'UNSUPPORTED_FORMAT') throw error;
    const format = await formatOf(path);
    if (format === 'unknown') throw error;
    return { format, tensors: new Map(), metadata: new Map(), changed: [], code: [], problems: [error] };
  }
}
