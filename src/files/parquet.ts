import { gunzipSync } from 'fflate';
import { type FileMetaData, parquetMetadataAsync, parquetRead, parquetSchema } from 'hyparquet';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { matrixWidth } from './csv.ts';
import type { DType } from './dtype.ts';
import { HopfcoleError } from './error.ts';
import type { ByteSink } from './sink.ts';
import type { ByteSource } from './source.ts';
import { fromNumbers, type Tensor, toNumbers, viewOf } from './tensor.ts';
import { swellLimit } from './zip/directory.ts';

const types: Readonly<Record<string, DType>> = {
  BOOLEAN: 'bool',
  INT32: 'int32',
  INT64: 'int64',
  FLOAT: 'float32',
  DOUBLE: 'float64',
};

/**
 * A table of numbers as one matrix [rows, columns], its columns in the file's order; a list column of equal lengths gives as many columns as the lists are long.
 * The type is the columns' own where they agree, otherwise float64. An empty cell is NaN where the type is floating, otherwise an error.
 * @throws BAD_PARQUET, UNSUPPORTED_DTYPE
 */
export async function readParquet(source: ByteSource): Promise<Tensor> {
  // In memory and clipped rather than thrown: hyparquet starts reads that it may never wait for, and a rejection nobody awaits ends the process.
  const bytes = await source.read(0, source.size);
  const file = {
    byteLength: source.size,
    slice: (start: number, end = source.size) => {
      const piece = bytes.subarray(start, end);
      return piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.byteLength) as ArrayBuffer;
    },
  };
  try {
    const metadata = await parquetMetadataAsync(file);
    checkPromises(metadata, source);
    const dtype = commonType(metadata, source.name);
    const names = parquetSchema(metadata).children.map((child) => child.element.name);
    if (new Set(names).size < names.length)
      throw new HopfcoleError('BAD_PARQUET', 'two of its columns have the same name', { file: source.name });
    const columns: unknown[][] = names.map(() => []);
    let rowStart = 0;
    // One column of one group at a time, for the same reason.
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      for (const [index, name] of names.entries())
        await parquetRead({
          file,
          metadata,
          columns: [name],
          rowStart,
          rowEnd,
          compressors: { GZIP: (input, length) => gunzip(input, length) },
          onComplete: (cells) => {
            for (const cell of cells as unknown[][]) columns[index]?.push(cell[0]);
          },
        });
      rowStart = rowEnd;
    }
    const count = columns[0]?.length ?? 0;
    if (columns.some((column) => column.length !== count) || count !== Number(metadata.num_rows))
      throw new HopfcoleError('BAD_PARQUET', 'its columns are not all as long as it says', { file: source.name });
    const rows = Array.from({ length: count }, (_, row) => columns.map((column) => column[row]));
    return matrixOf(rows, dtype, source.name);
  } catch (error) {
    if (error instanceof HopfcoleError) throw error;
    throw new HopfcoleError(
      'BAD_PARQUET',
      `not a .parquet file that can be read: ${String((error as Error).message).slice(0, 200)}`,
      { file: source.name },
      'Save it again, uncompressed or with snappy',
      { cause: error },
    );
  }
}

/** Row counts and unpacked sizes are only claims of the file: memory is not given for more than it could hold. */
function checkPromises(metadata: FileMetaData, source: ByteSource): void {
  let claimed = Number(metadata.num_rows) * Math.max(1, metadata.schema.length - 1) * 8;
  for (const group of metadata.row_groups) {
    claimed = Math.max(claimed, Number(group.num_rows) * 8);
    for (const column of group.columns)
      claimed += Number(column.meta_data?.total_uncompressed_size ?? 0) + Number(column.meta_data?.num_values ?? 0) * 8;
  }
  if (!(claimed >= 0 && claimed <= 4 * swellLimit(source.size)))
    throw new HopfcoleError(
      'BAD_PARQUET',
      `${source.size} bytes claim to unpack to ${claimed}: this looks like a decompression bomb`,
      { file: source.name },
    );
}

function gunzip(input: Uint8Array, length: number): Uint8Array {
  // A buffer of the declared size: what does not fit is dropped, and the page then fails to parse.
  return gunzipSync(input, { out: new Uint8Array(Math.min(length, input.byteLength * 1032 + 1032)) });
}

function commonType(metadata: FileMetaData, file: string): DType {
  const leaves = metadata.schema.filter((element) => element.type !== undefined);
  const found = new Set<DType>();
  for (const leaf of leaves) {
    const dtype = types[leaf.type ?? ''];
    const plain = leaf.converted_type === undefined || /^U?INT_/.test(leaf.converted_type);
    if (dtype === undefined || !plain)
      throw new HopfcoleError(
        'UNSUPPORTED_DTYPE',
        `its column ${JSON.stringify(leaf.name.slice(0, 100))} holds no plain numbers`,
        { file },
        'Keep only the columns of numbers',
      );
    found.add(dtype);
  }
  const [one, ...others] = found;
  if (one === undefined) throw new HopfcoleError('BAD_PARQUET', 'it has no columns', { file });
  return others.length === 0 ? one : 'float64';
}

function matrixOf(rows: readonly unknown[][], dtype: DType, file: string): Tensor {
  const floating = dtype === 'float32' || dtype === 'float64';
  const values: (number | bigint)[] = [];
  let columns: number | undefined;
  for (const [index, row] of rows.entries()) {
    const before = values.length;
    for (const cell of row)
      for (const item of Array.isArray(cell) || ArrayBuffer.isView(cell) ? (cell as unknown[]) : [cell]) {
        if (typeof item === 'number' || typeof item === 'bigint') values.push(item);
        else if (typeof item === 'boolean') values.push(item ? 1 : 0);
        else if ((item === null || item === undefined) && floating) values.push(Number.NaN);
        else
          throw new HopfcoleError(
            'BAD_PARQUET',
            'a cell is empty or holds no number',
            { file, at: `row ${index}` },
            'Fill it',
          );
      }
    columns ??= values.length - before;
    if (values.length - before !== columns)
      throw new HopfcoleError('BAD_PARQUET', 'its lists are of different lengths', { file, at: `row ${index}` });
  }
  return fromNumbers(dtype, [rows.length, columns ?? 0], values);
}

/**
 * Writes one tensor of at most two dimensions; its columns are called '0', '1', .. Types parquet lacks are widened (float16 to float32, int8 to int32).
 * @throws BAD_SHAPE, UNSUPPORTED_DTYPE
 */
export async function writeParquet(tensor: Tensor, sink: ByteSink): Promise<void> {
  const width = matrixWidth(tensor.shape, '.parquet');
  const rows = tensor.shape[0] ?? 1;
  const columnData: ColumnSource[] = [];
  const exact = tensor.dtype === 'int64' ? viewOf(tensor, 'int64') : undefined;
  const numbers = exact === undefined ? toNumbers(tensor) : undefined;
  const type = columnType(tensor.dtype);
  for (let column = 0; column < width; column++) {
    const data: (number | bigint | boolean)[] = [];
    for (let row = 0; row < rows; row++) {
      const value = exact?.[row * width + column] ?? numbers?.[row * width + column] ?? 0;
      data.push(type === 'BOOLEAN' ? Number(value) !== 0 : type === 'INT64' ? BigInt(value) : value);
    }
    columnData.push({ name: String(column), data, type, nullable: false });
  }
  await sink.write(new Uint8Array(parquetWriteBuffer({ columnData })));
}

function columnType(dtype: DType): 'BOOLEAN' | 'INT32' | 'INT64' | 'FLOAT' | 'DOUBLE' {
  if (dtype === 'bool') return 'BOOLEAN';
  if (dtype === 'float64') return 'DOUBLE';
  if (dtype === 'int64' || dtype === 'uint32') return 'INT64';
  if (/^u?int(2|4|8|16)$|^int32$/.test(dtype)) return 'INT32';
  if (/^b?float/.test(dtype)) return 'FLOAT';
  throw new HopfcoleError('UNSUPPORTED_DTYPE', `.parquet cannot hold ${dtype}`, {}, 'Cast it first, or write an .npz');
}
