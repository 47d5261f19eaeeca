import type { ProviderChoice } from '../provider.ts';

/** External data of a model that is given as bytes: `path` is the `location` the model names. */
export interface ExternalData {
  readonly path: string;
  readonly data: Uint8Array;
}

/**
 * A model as `openSession` takes it: the path of a file (external data lies in its folder; every location the file names is
 * checked to stay inside that folder, links included), or its bytes (external data is given with them; nothing is read from disk).
 */
export type ModelSource =
  | string
  | Uint8Array
  | { readonly bytes: Uint8Array; readonly name?: string; readonly externalData?: readonly ExternalData[] };

export interface KernelOptions {
  /** Threads of one operator. Default: one per physical core. */
  readonly threads?: number | undefined;
  /** Hold each weight once: no prepacked second copy, 4 to 5 % slower. */
  readonly keepWeightsOnce?: boolean | undefined;
  /** Graph optimisations of ONNX Runtime. Default: all. */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all' | undefined;
  /** Sizes for symbolic dimensions that are always the same. */
  readonly dimensions?: Readonly<Record<string, number>> | undefined;
  /** Record which provider ran each node (in the first run, which is a little slower for it). */
  readonly profile?: boolean | undefined;
  /** Make a node on another provider an error of the first run, integer and shape arithmetic aside. */
  readonly requireProvider?: boolean | undefined;
}

/** Where and how a session runs its model. */
export interface OpenOptions extends KernelOptions {
  /** `cpu`, `webgpu`, `cuda`, `tensorrt`, `coreml`, `dml`, `qnn`, or `auto` (the default): cuda where it works, webgpu on a hardware adapter, else cpu. */
  readonly provider?: string | undefined;
  /**
   * Where the session lives: `worker` (the default: a thread of this process), `process` (this thread, which a run blocks), or
   * `child` (a process of its own). Only a child can be stopped in the middle of a run (`signal`, `timeoutMs`), survives a crash of
   * native code as an error (NATIVE_CRASH), and keeps to itself what native libraries print.
   */
  readonly home?: 'process' | 'worker' | 'child' | undefined;
  /** Stops the opening; a child only. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds the opening may take; a child only. */
  readonly timeoutMs?: number | undefined;
}

/** What goes to the place where ONNX Runtime is. Plain data. */
export interface KernelSettings extends KernelOptions {
  readonly choice: ProviderChoice;
  /** Folder for the profile, made and removed by the opener. */
  readonly profileFolder?: string | undefined;
  /** Native warnings are wanted (they go to a pipe) or not (they would go to the terminal). */
  readonly verbose: boolean;
}
