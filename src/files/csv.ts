import { HopfcoleError } from './error.ts';
import type { ByteSink } from './sink.ts';
import type { ByteSource } from './source.ts';
import { fromNumbers, type Tensor, toNumbers } from './tensor.ts';

const limit = 2 ** 29 - 1;
const words: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Infinity,
  '+inf': Infinity,
  '-inf': -Infinity,
  infinity: Infinity,
  '-infinity': -Infinity,
  true: 1,
  false: 0,
};
const numberPattern = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

/**
 * A table of numbers as a float64 matrix [rows, columns]. A first line that holds a text is the header and is left out;
 * columns are parted by commas, semicolons or tabs (whichever the first line has); cells may be quoted; empty lines and `#` lines are left out.
 * @throws BAD_CSV with the line.
 */
export async function readCsv(source: ByteSource): Promise<Tensor> {
  const fail = (message: string, line: number) =>
    new HopfcoleError('BAD_CSV', message, { file: source.name, at: `line ${line}` }, 'Expected a table of numbers');
  if (source.size > limit)
    throw new HopfcoleError(
      'BAD_CSV',
      'a table of text this large is not read',
      { file: source.name },
      'Save it as .npy',
    );
  const text = decode(await source.read(0, source.size), source.name);
  const lines = text.split(/\r\n|\n|\r/);
  const first = lines.find((line) => line.trim() !== '' && !line.startsWith('#')) ?? '';
  const unquoted = first.replace(/"[^"]*"/g, '');
  const separator = [',', ';', '\t'].find((char) => unquoted.includes(char)) ?? ',';
  const values: number[] = [];
  let columns: number | undefined;
  let rows = 0;
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const cells = cellsOf(line, separator);
    if (cells === undefined) throw fail('a quote that does not end on its line', index + 1);
    const numbers = cells.map(numberOf);
    const wrong = numbers.indexOf(undefined);
    if (columns === undefined && wrong >= 0) {
      columns = cells.length;
      continue;
    }
    columns ??= cells.length;
    if (wrong >= 0) throw fail(`${JSON.stringify(cells[wrong]?.slice(0, 40))} is no number`, index + 1);
    if (cells.length !== columns) throw fail(`expected ${columns} cells, got ${cells.length}`, index + 1);
    for (const number of numbers) values.push(number as number);
    rows += 1;
  }
  if (columns === undefined || rows === 0) throw fail('it holds no numbers', lines.length);
  return fromNumbers('float64', [rows, columns], values);
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new HopfcoleError('BAD_CSV', 'it is not UTF-8 text', { file }, 'Expected a table of numbers');
  }
}

function cellsOf(line: string, separator: string): string[] | undefined {
  if (!line.includes('"')) return line.split(separator);
  const cells: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const char = line[i];
    if (quoted && char === '"' && line[i + 1] === '"') {
      cell += '"';
      i += 1;
    } else if (char === '"') quoted = !quoted;
    else if (char === separator && !quoted) {
      cells.push(cell);
      cell = '';
    } else cell += char;
  }
  cells.push(cell);
  return quoted ? undefined : cells;
}

function numberOf(cell: string): number | undefined {
  const text = cell.trim();
  if (numberPattern.test(text)) return Number(text);
  const word = text.toLowerCase();
  return Object.hasOwn(words, word) ? words[word] : undefined;
}

/**
 * Writes one tensor of at most two dimensions, a row to a line; the shortest decimals that read back as the same number.
 * @throws UNSUPPORTED_DTYPE for text and complex numbers, BAD_SHAPE for more dimensions.
 */
export async function writeCsv(tensor: Tensor, sink: ByteSink): Promise<void> {
  const columns = matrixWidth(tensor.shape, '.csv');
  const exact = exactIntegers(tensor);
  const numbers = exact ?? toNumbers(tensor);
  let text = '';
  for (let i = 0; i < numbers.length; i += columns) {
    const cells: string[] = [];
    for (let j = i; j < i + columns; j++) cells.push(textOf(numbers[j] ?? 0));
    text += `${cells.join(',')}\n`;
    if (text.length > 1 << 16) {
      await sink.write(new TextEncoder().encode(text));
      text = '';
    }
  }
  await sink.write(new TextEncoder().encode(text));
}

/** The columns of a tensor as a table. @throws BAD_SHAPE beyond two dimensions. */
export function matrixWidth(shape: readonly number[], format: string): number {
  if (shape.length > 2)
    throw new HopfcoleError(
      'BAD_SHAPE',
      `${format} holds tables of at most two dimensions, got shape [${shape.join(', ')}]`,
      {},
      'Write an .npz',
    );
  return Math.max(1, shape[1] ?? 1);
}

function exactIntegers({ dtype, bytes }: Tensor): BigInt64Array | BigUint64Array | undefined {
  if (dtype !== 'int64' && dtype !== 'uint64') return undefined;
  const copy = bytes.slice();
  return dtype === 'int64' ? new BigInt64Array(copy.buffer) : new BigUint64Array(copy.buffer);
}

function textOf(value: number | bigint): string {
  if (value === Infinity) return 'inf';
  if (value === -Infinity) return '-inf';
  if (Number.isNaN(value)) return 'nan';
  return Object.is(value, -0) ? '-0' : String(value);
}
