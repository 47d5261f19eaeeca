import type { ByteRange } from '../files/source.ts';
import { type AnyMessage, type MessageName, type TensorInit, tensorsOf } from './messages.ts';
import type { Elision, Skeleton } from './skim.ts';

const elidedOf = new WeakMap<object, readonly Elision[]>();

/** The parts of a tensor that were left in their source, in the order of the file. */
export function elisionsOf(tensor: TensorInit): readonly Elision[] {
  return elidedOf.get(tensor) ?? [];
}

export function setElisions(tensor: TensorInit, elisions: readonly Elision[]): void {
  if (elisions.length === 0) elidedOf.delete(tensor);
  else elidedOf.set(tensor, elisions);
}

const rawDataField = 9;

/** The payload of `raw_data` where it was left in its source. */
export function rawRange(tensor: TensorInit): ByteRange | undefined {
  return elisionsOf(tensor).find(({ field }) => field === rawDataField)?.range;
}

/**
 * Takes the markers out of a message decoded from a skeleton.
 * `whole` is the file where all of it is in memory: raw data become views of it, so that only packed typed data stay elided.
 */
export function attach(message: AnyMessage, type: MessageName, skeleton: Skeleton, whole?: Uint8Array): void {
  if (skeleton.elisions.size === 0) return;
  for (const tensor of tensorsOf(message, type)) {
    if (tensor.$unknowns === undefined) continue;
    const found: Elision[] = [];
    const rest: Uint8Array[] = [];
    for (const unknown of tensor.$unknowns) {
      const elision = skeleton.elisions.get(unknown.byteOffset - skeleton.bytes.byteOffset);
      if (elision === undefined) {
        rest.push(unknown);
        continue;
      }
      const { offset, length } = elision.range;
      const bytes = whole?.subarray(offset, offset + length);
      if (bytes === undefined) found.push(elision);
      else if (elision.field === rawDataField) tensor.rawData = bytes;
      else found.push({ ...elision, bytes });
    }
    if (rest.length > 0) tensor.$unknowns = rest;
    else delete tensor.$unknowns;
    // A raw_data below the threshold that comes after an elided one is elided too, so what was decoded came before.
    const raw = found.findLast(({ field }) => field === rawDataField);
    if (raw !== undefined) tensor.rawData = null;
    setElisions(
      tensor,
      found.filter((elision) => elision.field !== rawDataField || elision === raw),
    );
  }
}
