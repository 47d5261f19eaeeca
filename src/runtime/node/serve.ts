import { HopfcoleError } from '../../files/error.ts';
import { Kernel } from './kernel.ts';
import type { ModelSource } from './options.ts';
import {
  type Channel,
  type Packet,
  packError,
  packTensors,
  type Reply,
  type Request,
  unpackTensors,
} from './packet.ts';

/** The far end of a session, in a worker or a child: answers each request by one reply, in order. */
export function serve(channel: Channel, onClose: () => void): void {
  let kernel: Kernel | undefined;
  let queue = Promise.resolve();

  const answer = async ({ head, parts }: Packet): Promise<{ head: Reply; parts: Uint8Array[] }> => {
    const request = head as Request;
    if (request.type === 'open') {
      kernel = await Kernel.open(sourceOf(request, parts), request.settings);
      return {
        head: { type: 'opened', inputs: kernel.inputs, outputs: kernel.outputs, notes: kernel.notes },
        parts: [],
      };
    }
    if (request.type !== 'run' || kernel === undefined) throw new HopfcoleError('INTERNAL', 'no model is open');
    const { outputs, milliseconds, providers } = await kernel.run(
      unpackTensors(request.tensors, parts),
      request.outputs,
    );
    const packed = packTensors(outputs);
    const report = providers === undefined ? {} : { providers };
    return { head: { type: 'ran', tensors: packed.tensors, milliseconds, ...report }, parts: packed.parts };
  };

  const handle = async (packet: Packet): Promise<void> => {
    if (packet.head.type === 'close') {
      await kernel?.close();
      onClose();
      return;
    }
    try {
      channel.send(await answer(packet));
    } catch (error) {
      channel.send({ head: { type: 'failed', error: packError(error) }, parts: [] });
    }
  };

  channel.listen((packet) => {
    queue = queue.then(() => handle(packet));
  }, onClose);
}

function sourceOf(request: Request & { type: 'open' }, parts: readonly Uint8Array[]): ModelSource {
  if (request.path !== undefined) return request.path;
  const [bytes = new Uint8Array(0), ...data] = parts;
  return {
    bytes,
    name: request.name,
    externalData: request.external.map((path, i) => ({ path, data: data[i] ?? new Uint8Array(0) })),
  };
}
