import { HopfcoleError } from '../../files/error.ts';
import { removeTemporary, temporaryFolder } from '../../files/node/temporary.ts';
import { fromNumbers, toNumbers } from '../../files/tensor.ts';
import { requireProvider } from '../profile.ts';
import { field, numberField } from '../wire.ts';
import { childChannel } from './child-channel.ts';
import type { KernelSettings } from './options.ts';
import { RemoteSession } from './remote.ts';
import type { GraphicsAdapter } from './vulkan.ts';

export type ProbeResult = { readonly available: true } | { readonly available: false; readonly error: HopfcoleError };

/** Runs y = x x on a provider in a child process, and looks that the node ran there and that the numbers are right. */
export async function probe(provider: string, adapter?: GraphicsAdapter): Promise<ProbeResult> {
  const profileFolder = await temporaryFolder();
  const settings: KernelSettings = {
    choice: { requested: provider, name: provider, why: 'tried' },
    profileFolder,
    verbose: true,
  };
  const limits = { timeoutMs: 60_000 };
  try {
    const session = await RemoteSession.open(
      childChannel(adapter?.environment ?? {}),
      true,
      tinyModel(),
      settings,
      limits,
      () => removeTemporary(profileFolder),
    );
    try {
      const { outputs } = await session.run({ x: fromNumbers('float32', [2, 2], [1, 2, 3, 4]) }, limits);
      const y = outputs.get('y');
      if (y === undefined || toNumbers(y).join() !== '7,10,15,22')
        return failed(new HopfcoleError('RUN_FAILED', 'it computed wrong numbers'));
      if (session.providers !== undefined) requireProvider(session.providers, provider);
      return { available: true };
    } finally {
      await session.close();
    }
  } catch (error) {
    return failed(error instanceof HopfcoleError ? error : new HopfcoleError('RUN_FAILED', String(error)));
  }
}

function failed(error: HopfcoleError): ProbeResult {
  return { available: false, error };
}

/** A model of one MatMul of a 2 x 2 float32 matrix with itself: opset 13, IR 8. */
export function tinyModel(): Uint8Array {
  const two = field(1, numberField(1, 2));
  const type = field(2, field(1, numberField(1, 1), field(2, two, two)));
  const node = field(1, field(1, 'x'), field(1, 'x'), field(2, 'y'), field(4, 'MatMul'));
  const graph = field(7, node, field(2, 'tiny'), field(11, field(1, 'x'), type), field(12, field(1, 'y'), type));
  const model = [numberField(1, 8), graph, field(8, numberField(2, 13))];
  return Uint8Array.from(model.flatMap((part) => [...part]));
}
