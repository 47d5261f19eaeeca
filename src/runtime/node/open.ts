import { HopfcoleError } from '../../files/error.ts';
import { removeTemporary, temporaryFolder } from '../../files/node/temporary.ts';
import type { Session } from '../session.ts';
import { childChannel } from './child-channel.ts';
import { type ChosenProvider, chooseProvider } from './choose.ts';
import { LocalSession } from './local.ts';
import type { KernelSettings, ModelSource, OpenOptions } from './options.ts';
import { RemoteSession, refuseLimits } from './remote.ts';
import { software } from './vulkan.ts';
import { workerChannel } from './worker-channel.ts';

/**
 * Opens a model in ONNX Runtime.
 * @throws BAD_PROVIDER, PROVIDER_UNAVAILABLE, FILE_NOT_FOUND, PATH_OUTSIDE_MODEL, MISSING_EXTERNAL_DATA, BAD_PROTOBUF, MODEL_TOO_NEW,
 * MODEL_REFUSED, UNSUPPORTED_OPERATOR, UNSUPPORTED_DTYPE, TIMEOUT, INTERRUPTED, NATIVE_CRASH, NOT_BUILT.
 */
export async function openSession(source: ModelSource, options: OpenOptions = {}): Promise<Session> {
  // Its telemetry leaves files of every run in the temporary folder; who wants it sets the variable.
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  const home = options.home ?? 'worker';
  if (home !== 'child' && (options.signal !== undefined || options.timeoutMs !== undefined)) refuseLimits();
  const chosen = await chooseProvider(options.provider ?? 'auto');
  try {
    return await openOn(source, options, home, chosen);
  } catch (error) {
    // A GPU that is there and does not serve: a fresh process can still take the software driver.
    const retry = home === 'child' && chosen.adapter?.kind === 'hardware' && isUnavailable(error);
    const adapter = retry ? software('the GPU does not serve WebGPU') : undefined;
    if (adapter?.kind !== 'software') throw error;
    const choice = { ...chosen.choice, device: adapter.device, why: adapter.why };
    return openOn(source, options, home, { choice, adapter });
  }
}

async function openOn(
  source: ModelSource,
  options: OpenOptions,
  home: 'worker' | 'process' | 'child',
  { choice, adapter }: ChosenProvider,
): Promise<Session> {
  const profiled = options.profile === true || options.requireProvider === true;
  const profileFolder = profiled ? await temporaryFolder() : undefined;
  const { threads, keepWeightsOnce, optimization, dimensions, requireProvider } = options;
  const settings: KernelSettings = {
    choice,
    threads,
    keepWeightsOnce,
    optimization,
    dimensions,
    requireProvider,
    profileFolder,
    verbose: home === 'child',
  };
  const onEnd = async () => {
    if (profileFolder !== undefined) await removeTemporary(profileFolder);
  };
  const environment = adapter?.environment ?? {};
  if (home === 'child') return RemoteSession.open(childChannel(environment), true, source, settings, options, onEnd);
  // Drivers read the environment of the process when ONNX Runtime first asks for them; a worker's copy would not reach them.
  Object.assign(process.env, environment);
  if (home === 'process') return LocalSession.open(source, settings, onEnd);
  return RemoteSession.open(workerChannel(), false, source, settings, {}, onEnd);
}

function isUnavailable(error: unknown): boolean {
  return error instanceof HopfcoleError && error.code === 'PROVIDER_UNAVAILABLE';
}
