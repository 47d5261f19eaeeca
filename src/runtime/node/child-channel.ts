import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { HopfcoleError } from '../../files/error.ts';
import { compiledEntry } from './entry.ts';
import { encodeFrame, endOfOutput, FrameDecoder } from './frame.ts';
import type { Channel } from './packet.ts';

/** Bytes of native output kept for the detail of an error. */
const keep = 8192;

export interface ChildChannel extends Channel {
  readonly pid: number | undefined;
  /** The last lines native libraries printed. */
  printed(): string;
}

/** A process of its own: it can be killed at any time, and what happens to it is an error here and nothing more. */
export function childChannel(environment: Readonly<Record<string, string>>): ChildChannel {
  const child = spawn(process.execPath, [compiledEntry('child-main')], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', ...environment, HOPFCOLE_PARENT: String(process.pid) },
    windowsHide: true,
  });
  let lines = '';
  let stopped = false;
  let flushed: (() => void) | undefined;
  let ended = false;
  const pipes = [child.stdout, child.stderr] as readonly Readable[];
  for (const pipe of pipes)
    pipe.on('data', (chunk: Buffer) => {
      const text = chunk.toString('utf8');
      lines = (lines + text.replaceAll(endOfOutput, '')).slice(-keep);
      if (!text.includes(endOfOutput)) return;
      if (flushed === undefined) ended = true;
      else flushed();
    });
  const socket = child.stdio[3] as Socket;
  socket.on('error', () => {
    // The end of the process tells the reason.
  });
  const gone = new Promise<HopfcoleError>((resolve) => {
    child.on('error', (error) =>
      resolve(
        new HopfcoleError(
          'CHILD_FAILED',
          `no child process could be started: ${error.message}`,
          {},
          'Free memory or processes',
        ),
      ),
    );
    child.on('close', (code, signal) => resolve(stopped ? closed() : crash(code, signal, lines)));
  });
  const handles = [child, socket, ...pipes] as unknown as { ref(): void; unref(): void }[];
  return {
    pid: child.pid,
    printed: () => lines,
    send: (packet) => {
      socket.cork();
      for (const piece of encodeFrame(packet)) socket.write(piece);
      socket.uncork();
    },
    listen: (onPacket, onEnd) => {
      const decoder = new FrameDecoder((packet) => {
        if (packet.head.type !== 'failed') return onPacket(packet);
        // What was printed about it comes by another pipe, and may come later.
        const timer = setTimeout(() => flushed?.(), 1000);
        flushed = () => {
          flushed = undefined;
          clearTimeout(timer);
          onPacket(packet);
        };
        if (ended) flushed();
        ended = false;
      });
      socket.on('data', (chunk: Buffer) => decoder.push(chunk));
      void gone.then(onEnd);
    },
    hold: (busy) => {
      for (const handle of handles) busy ? handle.ref() : handle.unref();
    },
    stop: async () => {
      stopped = true;
      for (const handle of handles) handle.ref();
      child.kill('SIGKILL');
      await gone;
    },
  };
}

function closed(): HopfcoleError {
  return new HopfcoleError('SESSION_CLOSED', 'the session is closed', {}, 'Open another');
}

function crash(code: number | null, signal: string | null, lines: string): HopfcoleError {
  const detail = lines.trim();
  const cause = detail === '' ? {} : { cause: new Error(detail) };
  // What Node itself gives for an error of JavaScript: its files are damaged, or were being rebuilt.
  if (signal === null && code === 1)
    return new HopfcoleError(
      'CHILD_FAILED',
      'the process for the model failed to start or broke off (exit code 1)',
      {},
      'Install hopfcole again; --debug shows what it printed',
      cause,
    );
  const how = signal === null ? `exit code ${code}` : signal;
  const hint =
    signal === 'SIGKILL'
      ? 'The system killed it: there may be too little memory for this model'
      : 'The model makes native code of ONNX Runtime fail: hopfcole check may tell why, --debug shows what it printed';
  return new HopfcoleError('NATIVE_CRASH', `the process that ran the model ended (${how})`, {}, hint, cause);
}
