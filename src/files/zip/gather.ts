import type { ByteSink } from '../sink.ts';

const enough = 1 << 16;

/** A sink that keeps small writes back and hands them on together, in order; `flush` hands on what is left. */
export function gathering(sink: ByteSink): ByteSink & { flush(): Promise<void> } {
  let held: Uint8Array[] = [];
  let size = 0;
  const flush = async () => {
    if (size === 0) return;
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const part of held) {
      bytes.set(part, at);
      at += part.byteLength;
    }
    held = [];
    size = 0;
    await sink.write(bytes);
  };
  return {
    async write(bytes) {
      if (bytes.byteLength >= enough) {
        await flush();
        return sink.write(bytes);
      }
      held.push(bytes.slice());
      size += bytes.byteLength;
      if (size >= enough) await flush();
    },
    flush,
  };
}
