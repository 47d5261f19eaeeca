import { existsSync } from 'node:fs';
import { HopfcoleError } from '../../files/error.ts';
import { type ProviderChoice, providers } from '../provider.ts';
import { nativeFolder } from './ort.ts';
import { probe } from './probe.ts';
import { findAdapter, type GraphicsAdapter } from './vulkan.ts';

export interface ChosenProvider {
  readonly choice: ProviderChoice;
  readonly adapter?: GraphicsAdapter | undefined;
}

/**
 * The provider for a name a user wrote. `auto`: cuda where it works, webgpu on a hardware adapter, else cpu.
 * @throws BAD_PROVIDER, PROVIDER_UNAVAILABLE.
 */
export async function chooseProvider(requested: string): Promise<ChosenProvider> {
  if (requested === 'auto') return automatic();
  if (providers[requested] === undefined)
    throw new HopfcoleError(
      'BAD_PROVIDER',
      `expected a provider, got '${requested}'`,
      {},
      `Providers: auto, ${Object.keys(providers).join(', ')}`,
    );
  if (requested !== 'webgpu') return { choice: { requested, name: requested, why: 'asked for' } };
  const adapter = findAdapter();
  if (adapter.kind === 'none')
    throw new HopfcoleError('PROVIDER_UNAVAILABLE', `webgpu does not work here: ${adapter.why}`, {}, adapter.hint);
  return { choice: { requested, name: 'webgpu', device: adapter.device, why: adapter.why }, adapter };
}

let decided: Promise<ChosenProvider> | undefined;

/** Decided once per process: what is tried costs a child process each. */
function automatic(): Promise<ChosenProvider> {
  decided ??= decide();
  return decided;
}

async function decide(): Promise<ChosenProvider> {
  const requested = 'auto';
  if (cudaLibraries() && (await probe('cuda')).available)
    return { choice: { requested, name: 'cuda', why: 'CUDA works here' } };
  const adapter = findAdapter();
  if (adapter.kind === 'hardware' && (await probe('webgpu', adapter)).available)
    return {
      choice: {
        requested,
        name: 'webgpu',
        device: adapter.device,
        why: 'CUDA does not work here, a GPU serves WebGPU',
      },
      adapter,
    };
  return { choice: { requested, name: 'cpu', why: 'neither CUDA nor a hardware WebGPU adapter works here' } };
}

/** Whether onnxruntime-node's own install step fetched the CUDA provider. */
export function cudaLibraries(): boolean {
  const folder = nativeFolder();
  return folder !== undefined && existsSync(`${folder}/libonnxruntime_providers_cuda.so`);
}
