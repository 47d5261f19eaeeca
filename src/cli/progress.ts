/** Progress of long work: a bar on a terminal's stderr, nothing anywhere else. */
export interface Progress {
  /** `done` of `total`, with what is being done; total undefined where it is not known. */
  update(what: string, done?: number, total?: number): void;
  finish(): void;
}

const width = 28;
const interval = 80;

export function terminalProgress(stream: NodeJS.WriteStream, quiet: boolean): Progress {
  if (quiet || !stream.isTTY) return { update: () => {}, finish: () => {} };
  let last = 0;
  let shown = false;
  return {
    update(what, done, total) {
      const now = Date.now();
      if (now - last < interval && done !== total) return;
      last = now;
      shown = true;
      const line = total === undefined || total === 0 ? what : `${bar((done ?? 0) / total)} ${what}`;
      stream.write(`\r\x1b[2K${line.slice(0, (stream.columns ?? 80) - 1)}`);
    },
    finish() {
      if (shown) stream.write('\r\x1b[2K');
      shown = false;
    },
  };
}

function bar(fraction: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ${String(Math.round(fraction * 100)).padStart(3)} %`;
}
