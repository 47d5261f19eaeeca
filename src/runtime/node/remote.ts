import { HopfcoleError } from '../../files/error.ts';
import type { Tensor } from '../../files/tensor.ts';
import { checkFeeds, checkOutputs } from '../feed.ts';
import type { ProviderChoice, ProviderReport } from '../provider.ts';
import type { Feeds, RunOptions, RunResult, Session, TensorDescription } from '../session.ts';
import type { KernelSettings, ModelSource } from './options.ts';
import {
  type Channel,
  type Packet,
  packTensors,
  type Reply,
  restoreShapes,
  unpackError,
  unpackTensors,
} from './packet.ts';

interface Limits {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

interface Job {
  readonly packet: Packet;
  readonly resolve: (packet: Packet) => void;
  readonly reject: (error: HopfcoleError) => void;
}

/** A session at the other end of a channel: one request at a time, the rest wait here, where they can still be withdrawn. */
export class RemoteSession implements Session {
  inputs: readonly TensorDescription[] = [];
  outputs: readonly TensorDescription[] = [];
  notes: readonly string[] = [];
  readonly provider: ProviderChoice;
  /** The process id of a child's, for whoever wants to watch it. */
  readonly pid: number | undefined;
  readonly #channel: Channel;
  readonly #stoppable: boolean;
  #waiting: Job[] = [];
  #current: Job | undefined;
  #over: HopfcoleError | undefined;
  #providers: ProviderReport | undefined;
  #ended: Promise<void>;

  private constructor(
    channel: Channel & { pid?: number | undefined },
    stoppable: boolean,
    settings: KernelSettings,
    onEnd: () => Promise<void>,
  ) {
    this.#channel = channel;
    this.pid = channel.pid;
    this.#stoppable = stoppable;
    this.provider = settings.choice;
    let finish: () => void = () => {};
    this.#ended = new Promise((resolve) => {
      finish = resolve;
    });
    channel.listen(
      (packet) => this.#settle((job) => job.resolve(packet)),
      (why) => {
        this.#fail(this.#over ?? why);
        void onEnd().then(finish, finish);
      },
    );
    channel.hold(false);
  }

  /** Opens a model at the other end. `stoppable`: the other end can be killed. */
  static async open(
    channel: Channel & { pid?: number | undefined },
    stoppable: boolean,
    source: ModelSource,
    settings: KernelSettings,
    limits: Limits,
    onEnd: () => Promise<void>,
  ): Promise<RemoteSession> {
    const session = new RemoteSession(channel, stoppable, settings, onEnd);
    try {
      const { head } = await session.#request(openRequest(source, settings), limits);
      if (head.type !== 'opened') throw new HopfcoleError('INTERNAL', `expected 'opened', got '${head.type}'`);
      session.inputs = restoreShapes(head.inputs);
      session.outputs = restoreShapes(head.outputs);
      session.notes = head.notes;
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  get providers(): ProviderReport | undefined {
    return this.#providers;
  }

  async run(feeds: Feeds, options: RunOptions = {}): Promise<RunResult> {
    const tensors: Map<string, Tensor> = checkFeeds(this.inputs, feeds);
    const outputs = checkOutputs(this.outputs, options.outputs);
    const packed = packTensors(tensors);
    const reply = await this.#request(
      { head: { type: 'run', tensors: packed.tensors, outputs }, parts: packed.parts },
      options,
    );
    if (reply.head.type !== 'ran') throw new HopfcoleError('INTERNAL', `expected 'ran', got '${reply.head.type}'`);
    this.#providers = reply.head.providers ?? this.#providers;
    return { outputs: unpackTensors(reply.head.tensors, reply.parts), milliseconds: reply.head.milliseconds };
  }

  async close(): Promise<void> {
    if (this.#over === undefined) {
      // A thread ends by itself after the run it is in; a process is killed.
      if (!this.#stoppable) {
        this.#channel.hold(true);
        this.#channel.send({ head: { type: 'close' }, parts: [] });
      }
      this.#fail(new HopfcoleError('SESSION_CLOSED', 'the session is closed', {}, 'Open another'));
    }
    await this.#channel.stop();
    await this.#ended;
  }

  #request(packet: Packet, limits: Limits): Promise<Packet> {
    const { signal, timeoutMs } = limits;
    if (!this.#stoppable && (signal !== undefined || timeoutMs !== undefined)) refuseLimits();
    if (signal?.aborted === true) return Promise.reject(interrupted(signal));
    if (this.#over !== undefined) return Promise.reject(this.#over);
    return new Promise<Packet>((resolve, reject) => {
      const job: Job = { packet, resolve: settled(resolve), reject: settled(reject) };
      const onAbort = () => this.#withdraw(job, interrupted(signal));
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => this.#withdraw(job, timeout(timeoutMs)), Math.min(Math.max(timeoutMs, 0), 2 ** 31 - 1));
      signal?.addEventListener('abort', onAbort, { once: true });
      function settled<T>(then: (value: T) => void): (value: T) => void {
        return (value) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', onAbort);
          then(value);
        };
      }
      this.#waiting.push(job);
      this.#next();
    }).then((reply) => {
      const head = reply.head as Reply;
      if (head.type === 'failed') throw unpackError(head.error, this.#printed());
      return reply;
    });
  }

  #next(): void {
    if (this.#current !== undefined) return;
    this.#current = this.#waiting.shift();
    this.#channel.hold(this.#current !== undefined);
    if (this.#current !== undefined) this.#channel.send(this.#current.packet);
  }

  #settle(use: (job: Job) => void): void {
    const job = this.#current;
    this.#current = undefined;
    if (job !== undefined) use(job);
    if (this.#over === undefined) this.#next();
  }

  /** Takes a job back: one that still waits simply leaves; the running one ends with its process. */
  #withdraw(job: Job, why: HopfcoleError): void {
    if (this.#waiting.includes(job)) {
      this.#waiting = this.#waiting.filter((other) => other !== job);
      job.reject(why);
      return;
    }
    if (this.#current !== job) return;
    this.#over = new HopfcoleError(
      'SESSION_CLOSED',
      'the session was stopped in the middle of a run',
      {},
      'Open another',
    );
    this.#current = undefined;
    void this.#channel
      .stop()
      .then(() => this.#ended)
      .then(() => job.reject(why));
  }

  #fail(why: HopfcoleError): void {
    this.#over = this.#over ?? why;
    const jobs = [...(this.#current === undefined ? [] : [this.#current]), ...this.#waiting];
    this.#current = undefined;
    this.#waiting = [];
    for (const job of jobs) job.reject(why);
  }

  #printed(): Error | undefined {
    const { printed } = this.#channel as { printed?: () => string };
    const lines = printed?.().trim() ?? '';
    return lines === '' ? undefined : new Error(lines);
  }
}

function openRequest(source: ModelSource, settings: KernelSettings): Packet {
  if (typeof source === 'string')
    return { head: { type: 'open', path: source, name: source, external: [], settings }, parts: [] };
  const { bytes, name = 'model', externalData = [] } = source instanceof Uint8Array ? { bytes: source } : source;
  return {
    head: { type: 'open', name, external: externalData.map(({ path }) => path), settings },
    parts: [bytes, ...externalData.map(({ data }) => data)],
  };
}

export function refuseLimits(): never {
  throw new HopfcoleError(
    'CANNOT_STOP',
    'a run in this process or a worker of it cannot be stopped',
    {},
    "Open the session with home: 'child'",
  );
}

export function interrupted(signal?: AbortSignal): HopfcoleError {
  return new HopfcoleError('INTERRUPTED', 'the run was interrupted', {}, '', { cause: signal?.reason });
}

function timeout(limit: number): HopfcoleError {
  return new HopfcoleError(
    'TIMEOUT',
    `not done after ${limit / 1000} seconds`,
    {},
    'Allow more time, or a smaller batch',
  );
}
