import { Worker } from 'node:worker_threads';
import { HopfcoleError } from '../../files/error.ts';
import { compiledEntry } from './entry.ts';
import type { Channel, Packet } from './packet.ts';

/** A thread of this process. It cannot be stopped inside a run: ending it there would abort the whole process. */
export function workerChannel(): Channel {
  const worker = new Worker(compiledEntry('worker-main'), { name: 'hopfcole session', execArgv: [] });
  return {
    send: ({ head, parts }) => {
      // A view would take its whole buffer along: only its own bytes are copied, once.
      const own = parts.map((part) => part.slice());
      worker.postMessage(
        { head, parts: own },
        own.map((part) => part.buffer as ArrayBuffer),
      );
    },
    listen: (onPacket, onEnd) => {
      let failure: HopfcoleError | undefined;
      worker.on('message', (packet: Packet) => onPacket(packet));
      worker.on('error', (error) => {
        failure = new HopfcoleError('NATIVE_CRASH', `the worker failed: ${String(error)}`, {}, '', { cause: error });
      });
      worker.on('exit', () => onEnd(failure ?? new HopfcoleError('SESSION_CLOSED', 'the session is closed')));
    },
    hold: (busy) => (busy ? worker.ref() : worker.unref()),
    // It ends by itself once it has answered `close`.
    stop: async () => {},
  };
}
