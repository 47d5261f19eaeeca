import type { DType } from '../files/dtype.ts';
import type { Tensor } from '../files/tensor.ts';
import type { Shape } from '../graph/type.ts';
import type { ProviderChoice, ProviderReport } from './provider.ts';

/** An input or an output of a model: sizes are numbers, symbols are names, `undefined` is unknown. */
export interface TensorDescription {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Tensors by the names of the model's inputs. */
export type Feeds = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

/** Which outputs a run gives, and when it is stopped. */
export interface RunOptions {
  /** The outputs wanted; all of them by default. */
  readonly outputs?: readonly string[] | undefined;
  /** Stops the run (INTERRUPTED). A session that is stopped in the middle of a run is over: open another. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from the call, waiting for earlier runs included, after which the run is stopped (TIMEOUT). */
  readonly timeoutMs?: number | undefined;
}

/** What a run gave, and how long it took. */
export interface RunResult {
  /** In the order of the model's outputs. */
  readonly outputs: Map<string, Tensor>;
  /** Of the run itself, without the way to and from the session. */
  readonly milliseconds: number;
}

/** A model that is ready to run, wherever it lives: this process, a worker, a child process, a browser, a server. */
export interface Session {
  /** What `run` must be given. Arrays it does not name are ignored. */
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  /** The provider it was opened on, and why. */
  readonly provider: ProviderChoice;
  /** Which provider ran each node: known after the first run of a session that was opened with `profile` or `requireProvider`. */
  readonly providers: ProviderReport | undefined;
  /** What had to be changed to make the model run on this provider: bfloat16 arithmetic in float32. */
  readonly notes: readonly string[];
  /**
   * Runs of one session follow one another in the order of their calls.
   * @throws MISSING_INPUT, DTYPE_MISMATCH, SHAPE_MISMATCH, UNKNOWN_OUTPUT (before anything runs), RUN_FAILED, PROVIDER_NOT_USED,
   * TIMEOUT, INTERRUPTED, NATIVE_CRASH, SESSION_CLOSED.
   */
  run(feeds: Feeds, options?: RunOptions): Promise<RunResult>;
  /** Gives back memory, thread or process. Runs that are waiting end with SESSION_CLOSED. Safe to call twice. */
  close(): Promise<void>;
}

export function asMap(feeds: Feeds): ReadonlyMap<string, Tensor> {
  return feeds instanceof Map ? feeds : new Map(Object.entries(feeds));
}
