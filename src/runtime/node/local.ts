import { HopfcoleError } from '../../files/error.ts';
import { checkFeeds, checkOutputs } from '../feed.ts';
import type { ProviderChoice, ProviderReport } from '../provider.ts';
import type { Feeds, RunOptions, RunResult, Session, TensorDescription } from '../session.ts';
import { Kernel } from './kernel.ts';
import type { KernelSettings, ModelSource } from './options.ts';
import { interrupted, refuseLimits } from './remote.ts';

/** A session in this thread: the fastest way in and out, and a run blocks everything else. */
export class LocalSession implements Session {
  readonly provider: ProviderChoice;
  readonly #onEnd: () => Promise<void>;
  #kernel: Kernel | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #providers: ProviderReport | undefined;
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  readonly notes: readonly string[];

  private constructor(kernel: Kernel, settings: KernelSettings, onEnd: () => Promise<void>) {
    this.#kernel = kernel;
    this.#onEnd = onEnd;
    this.provider = settings.choice;
    this.inputs = kernel.inputs;
    this.outputs = kernel.outputs;
    this.notes = kernel.notes;
  }

  static async open(source: ModelSource, settings: KernelSettings, onEnd: () => Promise<void>): Promise<LocalSession> {
    try {
      return new LocalSession(await Kernel.open(source, settings), settings, onEnd);
    } catch (error) {
      await onEnd();
      throw error;
    }
  }

  get providers(): ProviderReport | undefined {
    return this.#providers;
  }

  async run(feeds: Feeds, options: RunOptions = {}): Promise<RunResult> {
    const tensors = checkFeeds(this.inputs, feeds);
    const outputs = checkOutputs(this.outputs, options.outputs);
    if (options.signal?.aborted === true) throw interrupted(options.signal);
    if (options.signal !== undefined || options.timeoutMs !== undefined) refuseLimits();
    const turn = this.#last.then(() => {
      if (this.#kernel === undefined)
        throw new HopfcoleError('SESSION_CLOSED', 'the session is closed', {}, 'Open another');
      return this.#kernel.run(tensors, outputs);
    });
    this.#last = turn.catch(() => undefined);
    const result = await turn;
    this.#providers = result.providers ?? this.#providers;
    return { outputs: result.outputs, milliseconds: result.milliseconds };
  }

  async close(): Promise<void> {
    const kernel = this.#kernel;
    this.#kernel = undefined;
    await this.#last;
    if (kernel === undefined) return;
    await kernel.close();
    await this.#onEnd();
  }
}
