import { createRequire } from 'node:module';
import type * as Ort from 'onnxruntime-node';
import { HopfcoleError } from '../../files/error.ts';

export type OrtModule = typeof Ort;
export type OrtTensor = Ort.Tensor;
export type OrtSession = Ort.InferenceSession;
export type OrtSessionOptions = Ort.InferenceSession.SessionOptions;

const require = createRequire(import.meta.url);
let loaded: OrtModule | undefined;

/**
 * Loads the native library on first use (50 ms and 45 MB: commands that run no model must not pay for it).
 * Environment variables that drivers read must be set before.
 * @throws RUNTIME_MISSING.
 */
export function loadOrt(): OrtModule {
  if (loaded !== undefined) return loaded;
  try {
    loaded = require('onnxruntime-node') as OrtModule;
  } catch (error) {
    throw new HopfcoleError(
      'RUNTIME_MISSING',
      `onnxruntime-node does not load on ${process.platform} ${process.arch}: ${error instanceof Error ? error.message : String(error)}`,
      {},
      'Install it again: npm install onnxruntime-node (it has no build for musl and for 32-bit systems)',
      { cause: error },
    );
  }
  return loaded;
}

/** The installed version of an npm package, or null. */
export function packageVersion(name: string): string | null {
  try {
    const version: unknown = (require(`${name}/package.json`) as { version?: unknown }).version;
    return typeof version === 'string' ? version : null;
  } catch {
    return null;
  }
}

/** The folder of the native libraries of onnxruntime-node for this platform. */
export function nativeFolder(): string | undefined {
  try {
    const root = require.resolve('onnxruntime-node/package.json').replace(/package\.json$/, '');
    return `${root}bin/napi-v6/${process.platform}/${process.arch}`;
  } catch {
    return undefined;
  }
}
