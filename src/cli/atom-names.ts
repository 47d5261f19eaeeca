import { byteLengthOf } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { openFile } from '../files/node/file.ts';
import { elementCount, type Tensor, toNumbers } from '../files/tensor.ts';
import type { Picture } from '../report/picture.ts';
import { readArrays } from './tensor-files.ts';

/** How many atoms a site has: `heads` is missing where the site is no bank. */
export interface AtomCount {
  readonly atoms: number | null;
  readonly heads?: number | undefined;
}

/** Labels and pictures of atoms, by position: head * N + j. */
export interface AtomNames {
  label(position: number): string | undefined;
  /** Height and width of the pictures; undefined where there are none. */
  readonly grid?: { readonly width: number; readonly height: number } | undefined;
  picture(position: number): Picture | undefined;
}

const largestCsv = 1 << 26;

/**
 * `--atoms FILE`: a .csv with one label per atom in its first column (one header line more is left out), or arrays:
 * `labels` [N], and pictures [N, h, w] or [N, h*w]; a bank takes [heads, N, ...] or [heads*N, ...].
 * @throws BAD_COUNT, BAD_SHAPE, BAD_CSV, UNSUPPORTED_SITE and what reading arrays throws.
 */
export async function readAtomNames(path: string, count: AtomCount): Promise<AtomNames> {
  if (count.atoms === null && count.heads !== undefined)
    throw new HopfcoleError(
      'UNSUPPORTED_SITE',
      'the model does not say how many atoms each head has, so names cannot be given to them',
      { argument: '--atoms' },
      'Leave --atoms out',
    );
  if (/\.csv$/i.test(path)) {
    const labels = await readLabels(path, count);
    return { label: (at) => labels[at], picture: () => undefined };
  }
  const arrays = await readArrays(path);
  const named = arrays.get('labels');
  const labels = named === undefined ? undefined : labelsOf(named, path, count);
  const pictures = pictureArray(arrays, path, count);
  if (pictures === undefined && labels === undefined)
    throw new HopfcoleError('MISSING_INPUT', "expected pictures or 'labels', got no array", { file: path });
  const grid = pictures === undefined ? undefined : gridOf(pictures, path, count);
  return {
    label: (at) => labels?.[at],
    grid,
    picture: (at) => (pictures === undefined || grid === undefined ? undefined : pictureAt(pictures, grid, at)),
  };
}

function total({ atoms, heads }: AtomCount): number | undefined {
  return atoms === null ? undefined : atoms * (heads ?? 1);
}

function expectCount(got: number, count: AtomCount, path: string, what: string): void {
  const expected = total(count);
  if (expected === undefined || got === expected) return;
  const { atoms, heads } = count;
  const why = heads === undefined ? '' : ` (${heads} heads of ${atoms} atoms)`;
  throw new HopfcoleError(
    'BAD_COUNT',
    `expected ${expected} ${what}${why}, got ${got}`,
    { file: path, argument: '--atoms' },
    'One per atom, in the order of the site’s weights',
  );
}

async function readLabels(path: string, count: AtomCount): Promise<string[]> {
  const source = await openFile(path);
  try {
    if (source.size > largestCsv)
      throw new HopfcoleError('BAD_CSV', `labels take at most ${largestCsv} bytes, got ${source.size}`, { file: path });
    const labels = firstColumn(decode(await source.read(0, source.size), path), path);
    const expected = total(count);
    const kept = expected !== undefined && labels.length === expected + 1 ? labels.slice(1) : labels;
    expectCount(kept.length, count, path, 'labels');
    return kept;
  } finally {
    await source.close?.();
  }
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new HopfcoleError('BAD_CSV', 'it is not UTF-8 text', { file: path }, 'Save the labels as UTF-8');
  }
}

/** The first cell of every line; quoted cells may hold commas, doubled quotes and line ends. Empty lines at the end are no labels. */
function firstColumn(text: string, path: string): string[] {
  const labels: string[] = [];
  const line = /(?:"((?:[^"]|"")*)"|([^",\r\n][^,\r\n]*)?)(?:,(?:"(?:[^"]|"")*"|[^"\r\n])*)?(?:\r\n|\n|\r|$)/y;
  while (line.lastIndex < text.length) {
    const at = line.lastIndex;
    const found = line.exec(text);
    if (found === null)
      throw new HopfcoleError(
        'BAD_CSV',
        'a quote that does not end, or text after a quoted cell',
        { file: path, at: `line ${text.slice(0, at).split(/\r\n|\n|\r/).length}` },
        'Expected one label per line, quoted where it holds a comma',
      );
    labels.push(found[1]?.replaceAll('""', '"') ?? found[2]?.trim() ?? '');
  }
  while (labels.at(-1) === '') labels.pop();
  return labels;
}

function labelsOf(tensor: Tensor, path: string, count: AtomCount): string[] {
  const got = elementCount(tensor.shape);
  expectCount(got, count, path, 'labels');
  return tensor.strings === undefined ? [...toNumbers(tensor)].map(String) : [...tensor.strings];
}

/** The array of pictures: the only one that is not `labels`, or the only one that has one picture per atom. */
function pictureArray(arrays: ReadonlyMap<string, Tensor>, path: string, count: AtomCount): Tensor | undefined {
  const others = [...arrays].filter(([name]) => name !== 'labels');
  const [only] = others;
  if (others.length <= 1) return only?.[1];
  const fitting = others.filter(
    ([, { shape, dtype }]) => dtype !== 'string' && leadingAxes(shape, count) !== undefined,
  );
  const [chosen] = fitting;
  if (fitting.length === 1) return chosen?.[1];
  const listed = others.slice(0, 10).map(([name, { shape }]) => `${name} [${shape.join(', ')}]`);
  throw new HopfcoleError(
    'BAD_COUNT',
    `expected one array of pictures, ${total(count) ?? 'one'} of them, got ${listed.join('; ')}`,
    { file: path, argument: '--atoms' },
    "Keep the pictures and, if you like, 'labels' [N] in a file of their own",
  );
}

/** How many axes count atoms: 1 for [N, ...] or [heads*N, ...], 2 for [heads, N, ...]; undefined where neither fits. */
function leadingAxes(shape: readonly number[], count: AtomCount): number | undefined {
  const { atoms, heads } = count;
  const pictured = (axes: number) => shape.length === axes + 1 || shape.length === axes + 2;
  if (heads !== undefined && pictured(2) && shape[0] === heads && (atoms === null || shape[1] === atoms)) return 2;
  const expected = total(count);
  return pictured(1) && (expected === undefined || shape[0] === expected) ? 1 : undefined;
}

function gridOf(tensor: Tensor, path: string, count: AtomCount): { width: number; height: number } {
  const { shape, dtype } = tensor;
  const where = { file: path, argument: '--atoms' };
  const form = count.heads === undefined ? '[N, h, w] or [N, h*w]' : '[heads, N, h, w] or [heads, N, h*w]';
  if (dtype === 'string')
    throw new HopfcoleError('BAD_SHAPE', 'expected pictures of numbers, got texts', where, "Call the array 'labels'");
  const axes = leadingAxes(shape, count);
  if (axes === undefined) {
    if (shape.length === 2 || shape.length === 3) expectCount(shape[0] ?? 0, count, path, 'pictures');
    const got = count.heads !== undefined && shape.length === 4 ? (shape[0] ?? 0) * (shape[1] ?? 0) : undefined;
    if (got !== undefined) expectCount(got, count, path, 'pictures');
    throw new HopfcoleError(
      'BAD_SHAPE',
      `expected pictures ${form} with ${total(count) ?? 'N'} atoms, got shape [${shape.join(', ')}]`,
      where,
      'Grey pictures, one per atom',
    );
  }
  const [height = 0, width] = shape.slice(axes);
  const side = Math.sqrt(height);
  const grid = width !== undefined ? { width, height } : { width: side, height: side };
  if (Number.isInteger(grid.width) && grid.width > 0 && grid.height > 0) return grid;
  throw new HopfcoleError(
    'BAD_SHAPE',
    `pictures of ${height} values have no square form; expected ${form}`,
    where,
    'Give the pictures their height and width',
  );
}

function pictureAt(
  tensor: Tensor,
  { width, height }: { width: number; height: number },
  at: number,
): Picture | undefined {
  const size = width * height;
  const step = byteLengthOf(tensor.dtype, size);
  const packed = byteLengthOf(tensor.dtype, 2) !== 2 * byteLengthOf(tensor.dtype, 1);
  const bytes = packed ? undefined : tensor.bytes.subarray(at * step, (at + 1) * step);
  if (bytes !== undefined && bytes.byteLength < step) return undefined;
  const values =
    bytes === undefined
      ? toNumbers(tensor).subarray(at * size, (at + 1) * size)
      : toNumbers({ dtype: tensor.dtype, shape: [size], bytes });
  return { width, height, values };
}
