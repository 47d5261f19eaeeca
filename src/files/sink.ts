/**
 * Where bytes go, in order: a file, memory, a stream.
 * Writers hand over chunk after chunk, so that none needs the whole output in memory.
 */
export interface ByteSink {
  /** Takes the bytes before it resolves: the caller may use their memory again afterwards. */
  write(bytes: Uint8Array): Promise<void>;
}

/** A sink in memory; `bytes()` is all that was written so far, in one piece. */
export function memorySink(): ByteSink & { bytes(): Uint8Array } {
  const chunks: Uint8Array[] = [];
  return {
    async write(bytes) {
      chunks.push(bytes.slice());
    },
    bytes() {
      const whole = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.byteLength, 0));
      let offset = 0;
      for (const chunk of chunks) {
        whole.set(chunk, offset);
        offset += chunk.byteLength;
      }
      return whole;
    },
  };
}
