import { parentPort } from 'node:worker_threads';
import type { Packet } from './packet.ts';
import { serve } from './serve.ts';

/** The entry of a worker thread that holds one session. */
const port = parentPort;
if (port !== null)
  serve(
    {
      // Outputs are handed over, not copied.
      send: (packet) => port.postMessage(packet, [...new Set(packet.parts.map((part) => part.buffer as ArrayBuffer))]),
      listen: (onPacket) => port.on('message', (packet: Packet) => onPacket(packet)),
      hold: () => {},
      stop: async () => {},
    },
    () => port.close(),
  );
