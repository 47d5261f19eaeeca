/** Pieces of .gguf files, put together by hand: what a test wants wrong can be wrong. */

export type Part = Uint8Array;

export function join(...parts: readonly Part[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function number(width: number, set: (view: DataView) => void): Part {
  const view = new DataView(new ArrayBuffer(width));
  set(view);
  return new Uint8Array(view.buffer);
}

/** The pieces in one byte order. */
export function parts(little = true) {
  const u32 = (value: number) => number(4, (view) => view.setUint32(0, value, little));
  const u64 = (value: number | bigint) => number(8, (view) => view.setBigUint64(0, BigInt(value), little));
  const text = (value: string | Uint8Array) => {
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
    return join(u64(bytes.byteLength), bytes);
  };
  return {
    u32,
    u64,
    text,
    header: (tensors: number | bigint, keys: number | bigint, version = 3) =>
      join(new TextEncoder().encode('GGUF'), u32(version), u64(tensors), u64(keys)),
    /** A key, the number of its type, its value. */
    pair: (key: string | Uint8Array, type: number, value: Part) => join(text(key), u32(type), value),
    /** `dims` as the file has them: the fastest first. */
    tensor: (name: string | Uint8Array, dims: readonly (number | bigint)[], type: number, offset: number | bigint) =>
      join(text(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset)),
  };
}

/** A header and the data that follow it, at a multiple of the alignment. */
export function file(header: Uint8Array, data: Uint8Array, alignment = 32): Uint8Array {
  const padding = (alignment - (header.byteLength % alignment)) % alignment;
  return join(header, new Uint8Array(padding), data);
}
