import { HopfcoleError } from '../files/error.ts';
import type { Tensor } from '../files/tensor.ts';
import { describeShape } from '../graph/type.ts';
import { asMap, type Feeds, type TensorDescription } from './session.ts';

/**
 * The tensors a model needs, in the order of its inputs, after comparing them with what it declares:
 * dtype, rank, sizes, and one size for each symbol across all inputs.
 * @throws MISSING_INPUT, DTYPE_MISMATCH, SHAPE_MISMATCH.
 */
export function checkFeeds(inputs: readonly TensorDescription[], feeds: Feeds): Map<string, Tensor> {
  const given = asMap(feeds);
  const missing = inputs.filter(({ name }) => !given.has(name));
  if (missing.length > 0) {
    const names = [...given.keys()].slice(0, 20).join(', ');
    throw new HopfcoleError(
      'MISSING_INPUT',
      `missing ${missing.length === 1 ? 'input' : 'inputs'} ${missing.map(describeInput).join(', ')}`,
      {},
      names === '' ? 'Give one tensor per input' : `Given: ${names}`,
    );
  }
  const sizes = new Map<string, { size: number; input: string }>();
  return new Map(
    inputs.map((input) => {
      const tensor = given.get(input.name);
      if (tensor === undefined) throw new HopfcoleError('MISSING_INPUT', `missing input ${describeInput(input)}`);
      checkOne(input, tensor, sizes);
      return [input.name, tensor];
    }),
  );
}

/** The names of the outputs wanted. @throws UNKNOWN_OUTPUT. */
export function checkOutputs(outputs: readonly TensorDescription[], wanted: readonly string[] | undefined): string[] {
  const names = outputs.map(({ name }) => name);
  const unknown = (wanted ?? []).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new HopfcoleError('UNKNOWN_OUTPUT', `no output '${unknown}'`, {}, `The model has: ${names.join(', ')}`);
  return wanted === undefined ? names : names.filter((name) => wanted.includes(name));
}

function describeInput({ name, dtype, shape }: TensorDescription): string {
  return `'${name}' ${dtype}${describeShape(shape)}`;
}

function checkOne(input: TensorDescription, tensor: Tensor, sizes: Map<string, { size: number; input: string }>): void {
  const { name, dtype, shape } = input;
  const where = { tensor: name };
  if (tensor.dtype !== dtype)
    throw new HopfcoleError(
      'DTYPE_MISMATCH',
      `expected ${describeInput(input)}, got ${tensor.dtype}[${tensor.shape.join(', ')}]`,
      where,
      `Convert the array to ${dtype}`,
    );
  if (shape === undefined) return;
  const misfit = (why: string) =>
    new HopfcoleError(
      'SHAPE_MISMATCH',
      `expected ${describeInput(input)}, got ${dtype}[${tensor.shape.join(', ')}]${why}`,
      where,
      'Reshape the array to what the model declares',
    );
  if (shape.length !== tensor.shape.length) throw misfit('');
  shape.forEach((dim, axis) => {
    const size = tensor.shape[axis] ?? 0;
    if (typeof dim === 'number' && dim !== size) throw misfit('');
    // '?' is how some exporters write a size that is not known: it is none in particular.
    if (typeof dim !== 'string' || dim === '?') return;
    const before = sizes.get(dim);
    if (before !== undefined && before.size !== size)
      throw misfit(`: '${dim}' is ${before.size} in '${before.input}' and ${size} here`);
    sizes.set(dim, { size, input: name });
  });
}
