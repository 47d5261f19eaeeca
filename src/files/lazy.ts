import { type ByteSource, checkRange } from './source.ts';

/** Bytes that are made from others when they are first asked for, and made again once they have been collected. */
export function lazySource(name: string, size: number, make: () => Promise<Uint8Array>): ByteSource {
  let kept: WeakRef<Uint8Array> | undefined;
  return {
    name,
    size,
    async read(offset, length) {
      checkRange(name, size, offset, length);
      let bytes = kept?.deref();
      if (bytes === undefined) {
        bytes = await make();
        kept = new WeakRef(bytes);
      }
      return bytes.subarray(offset, offset + length);
    },
  };
}
