import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { encodeFrame, endOfOutput, FrameDecoder } from './frame.ts';
import { serve } from './serve.ts';

/**
 * The entry of a child process that holds one session. Packets come and go on descriptor 3; descriptors 1 and 2 belong to
 * what native libraries print. The parent alone decides when it ends: an interrupt from the terminal reaches both.
 */
process.on('SIGINT', () => {});

/** Native code is not unwound: drivers that print or fail in their exit handlers get no chance to. */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}

function markOutput(): void {
  try {
    writeSync(2, endOfOutput);
  } catch {
    // The parent waits a second for it, no more.
  }
}

// While a run blocks this thread, only another one can see that the parent is gone.
const watch = `
  const parent = Number(process.env.HOPFCOLE_PARENT);
  setInterval(() => {
    let alive = process.ppid === parent;
    try { process.kill(parent, 0); } catch (error) { alive = alive && error.code === 'EPERM'; }
    if (!alive) process.kill(process.pid, 'SIGKILL');
  }, 250);`;
new Worker(watch, { eval: true }).unref();

const socket = new Socket({ fd: 3, readable: true, writable: true });
serve(
  {
    send: (packet) => {
      if (packet.head.type === 'failed') markOutput();
      socket.cork();
      for (const piece of encodeFrame(packet)) socket.write(piece);
      socket.uncork();
    },
    listen: (onPacket) => {
      const decoder = new FrameDecoder(onPacket);
      socket.on('data', (chunk: Buffer) => decoder.push(chunk));
      socket.on('end', end);
      socket.on('error', end);
    },
    hold: () => {},
    stop: async () => {},
  },
  end,
);
