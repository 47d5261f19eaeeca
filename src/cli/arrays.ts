import { byteLengthOf } from '../files/dtype.ts';
import { openFile } from '../files/node/file.ts';
import { elementCount, load } from '../files/tensor.ts';
import { readTensors, type TensorFormat, tensorFormatOf } from '../files/tensors.ts';
import type { Outcome } from './command.ts';

/** Formats of inputs and outputs that hold one array without a name: no checkpoints, but files of ours all the same. */
export function arrayFormat(recognised: string, path: string): TensorFormat | undefined {
  if (recognised === 'npy' || recognised === 'parquet') return recognised;
  return recognised === 'unknown' && tensorFormatOf(path) === 'csv' ? 'csv' : undefined;
}

/** Reads a file of one array to its end and describes it. @throws what its reader throws. */
export async function describeArray(path: string, format: TensorFormat): Promise<Outcome> {
  const source = await openFile(path);
  try {
    const parameters = [];
    for (const [name, array] of await readTensors(source, format)) {
      const { dtype, shape } = await load(array);
      parameters.push({ name, dtype, shape, bytes: dtype === 'string' ? 0 : byteLengthOf(dtype, elementCount(shape)) });
    }
    const parameterCount = parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const shown = parameters.map(({ dtype, shape }) => `${dtype}[${shape.join(', ')}]`).join(', ');
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
        recognised: null,
        problems: [],
      },
      text: [`${path}: ${format}, ${shown}`],
    };
  } finally {
    await source.close?.();
  }
}
