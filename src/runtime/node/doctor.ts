import { providers } from '../provider.ts';
import { cudaLibraries } from './choose.ts';
import { loadOrt, packageVersion } from './ort.ts';
import { type ProbeResult, probe } from './probe.ts';
import { findAdapter, type GraphicsAdapter, software } from './vulkan.ts';

export interface ProviderHealth {
  readonly name: string;
  /** Tried: a small model ran on it, in a process of its own. */
  readonly available: boolean;
  readonly device?: string;
  readonly why?: string;
  readonly hint?: string;
}

export interface Health {
  readonly node: string;
  readonly platform: string;
  readonly onnxruntime: { readonly node: string | null; readonly web: string | null };
  readonly providers: readonly ProviderHealth[];
}

/** What runs here, and why the rest does not. Tries one provider after the other; a few seconds at most where a driver is slow. */
export async function doctor(): Promise<Health> {
  const listed = supported();
  const health: ProviderHealth[] = [];
  for (const name of Object.keys(providers)) health.push(await examine(name, listed));
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    onnxruntime: { node: packageVersion('onnxruntime-node'), web: packageVersion('onnxruntime-web') },
    providers: health,
  };
}

function supported(): readonly string[] {
  try {
    return loadOrt()
      .listSupportedBackends()
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

async function examine(name: string, listed: readonly string[]): Promise<ProviderHealth> {
  const hint = `It needs ${providers[name]?.needs ?? 'another runtime'}`;
  const no = (why: string, mend = hint): ProviderHealth => ({ name, available: false, why, hint: mend });
  if (!listed.includes(name)) return no(`onnxruntime-node has no ${name} on ${process.platform} ${process.arch}`);
  if (name === 'webgpu') return examineWebGpu(no);
  if ((name === 'cuda' || name === 'tensorrt') && !cudaLibraries())
    return no('the CUDA libraries of onnxruntime-node are not installed');
  const result = await probe(name);
  return result.available ? { name, available: true } : no(because(result));
}

async function examineWebGpu(no: (why: string, hint?: string) => ProviderHealth): Promise<ProviderHealth> {
  const first = findAdapter();
  if (first.kind === 'none') return no(first.why, first.hint);
  const found = (adapter: GraphicsAdapter): ProviderHealth => ({
    name: 'webgpu',
    available: true,
    ...(adapter.device === undefined ? {} : { device: adapter.device }),
    ...(adapter.kind === 'software' ? { why: adapter.why } : {}),
  });
  const result = await probe('webgpu', first);
  if (result.available) return found(first);
  const second = software(because(result));
  if (first.kind === 'hardware' && second.kind === 'software' && (await probe('webgpu', second)).available)
    return found(second);
  return no(because(result), second.hint);
}

function because(result: ProbeResult): string {
  return result.available ? '' : result.error.message;
}
