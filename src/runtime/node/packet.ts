import type { DType } from '../../files/dtype.ts';
import { HopfcoleError, type Where } from '../../files/error.ts';
import type { Tensor } from '../../files/tensor.ts';
import type { ProviderReport } from '../provider.ts';
import type { TensorDescription } from '../session.ts';
import type { KernelSettings } from './options.ts';

/** A message between a session and the place where ONNX Runtime is: a head of plain JSON data, and bytes beside it. */
export interface Packet {
  readonly head: Request | Reply;
  readonly parts: readonly Uint8Array[];
}

export interface PackedTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strings?: readonly string[];
}

/** One request is answered by one reply before the next is sent. Tensors' bytes are the packet's parts, in order. */
export type Request =
  | {
      readonly type: 'open';
      /** `path`, or bytes in part 0 and the external data in the parts after it. */
      readonly path?: string;
      readonly name: string;
      readonly external: readonly string[];
      readonly settings: KernelSettings;
    }
  | { readonly type: 'run'; readonly tensors: readonly PackedTensor[]; readonly outputs: readonly string[] }
  | { readonly type: 'close' };

export type Reply =
  | {
      readonly type: 'opened';
      readonly inputs: readonly TensorDescription[];
      readonly outputs: readonly TensorDescription[];
      readonly notes: readonly string[];
    }
  | {
      readonly type: 'ran';
      readonly tensors: readonly PackedTensor[];
      readonly milliseconds: number;
      readonly providers?: ProviderReport;
    }
  | { readonly type: 'failed'; readonly error: PackedError };

export interface PackedError {
  readonly code: string;
  readonly message: string;
  readonly where: Where;
  readonly hint: string;
}

/** Two ends of a pipe or a thread. `ended` comes once, when nothing more can come. */
export interface Channel {
  send(packet: Packet): void;
  listen(onPacket: (packet: Packet) => void, onEnd: (why: HopfcoleError) => void): void;
  /** Whether waiting for a reply keeps this process alive. */
  hold(busy: boolean): void;
  /** Stops the other end at once and for good, in the middle of a run too where that is possible. */
  stop(): Promise<void>;
}

export function packTensors(tensors: ReadonlyMap<string, Tensor>): { tensors: PackedTensor[]; parts: Uint8Array[] } {
  const entries = [...tensors];
  return {
    tensors: entries.map(([name, { dtype, shape, strings }]) => ({
      name,
      dtype,
      shape,
      ...(strings === undefined ? {} : { strings }),
    })),
    parts: entries.map(([, tensor]) => tensor.bytes),
  };
}

export function unpackTensors(packed: readonly PackedTensor[], parts: readonly Uint8Array[]): Map<string, Tensor> {
  return new Map(
    packed.map(({ name, dtype, shape, strings }, i) => [
      name,
      { dtype, shape, bytes: parts[i] ?? new Uint8Array(0), ...(strings === undefined ? {} : { strings }) },
    ]),
  );
}

export function packError(error: unknown): PackedError {
  if (error instanceof HopfcoleError) {
    const { code, message, where, hint } = error;
    return { code, message, where, hint };
  }
  const message = error instanceof Error ? `${error.message} ${error.stack ?? ''}` : String(error);
  return { code: 'INTERNAL', message, where: {}, hint: 'This is a bug of hopfcole: please report it' };
}

export function unpackError(error: PackedError, cause?: unknown): HopfcoleError {
  return new HopfcoleError(error.code, error.message, error.where, error.hint, cause === undefined ? {} : { cause });
}

/** JSON has no undefined: unknown sizes cross as null. */
export function restoreShapes(descriptions: readonly TensorDescription[]): TensorDescription[] {
  return descriptions.map(({ name, dtype, shape }) => ({ name, dtype, shape: shape?.map((dim) => dim ?? undefined) }));
}
