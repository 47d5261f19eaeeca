import type { Refuse } from './refuse.ts';
import { isDict, isObject, isSize, type PyArray, type PyValue, tupleOf } from './value.ts';

/**
 * BUILD: gives an object its state. Attributes of dicts (`_metadata` of a state dict) are not kept; of a record they are all that is known.
 * @throws UNSAFE_PICKLE, BAD_PICKLE
 */
export function build(target: PyValue, state: PyValue, refuse: Refuse): void {
  if (isDict(target) && target.ordered && (isDict(state) || state === null)) return;
  if (isObject(target) && target.kind === 'record') {
    if (target.state !== undefined)
      throw refuse('not a sound pickle: an object is given its state twice', 'BAD_PICKLE');
    target.state = state;
    return;
  }
  const items = tupleOf(state);
  if (isObject(target) && items !== undefined) {
    if (target.kind === 'numpy-type') {
      const order = items[1] ?? null;
      const plain = items[2] === null && items[3] === null && items[4] === null;
      if (typeof order !== 'string' || !'<>|='.includes(order) || order.length !== 1 || !plain)
        throw refuse('a numpy dtype with fields or of an unknown order', 'BAD_PICKLE');
      target.order = order;
      return;
    }
    if (target.kind === 'array' && target.state === undefined) {
      const shape = tupleOf(items[1]) ?? [-1];
      // 64 dimensions is what numpy goes to.
      if (shape.length > 64 || !shape.every(isSize))
        throw refuse('not a sound pickle: a shape that is no tuple of non-negative integers', 'BAD_PICKLE');
      target.state = arrayState(items[2], shape as readonly number[], items[3] === true, items[4], refuse);
      return;
    }
  }
  const what = isObject(target) ? (target.kind === 'global' ? target.name : `a ${target.kind}`) : `a ${typeof target}`;
  throw refuse(`the pickle sets the inner state of ${what}`);
}

/** The content of a numpy array. @throws UNSAFE_PICKLE for Python objects; BAD_PICKLE */
export function arrayState(
  type: PyValue | undefined,
  shape: readonly number[],
  fortran: boolean,
  bytes: PyValue | undefined,
  refuse: Refuse,
): PyArray['state'] {
  if (!isObject(type) || type.kind !== 'numpy-type')
    throw refuse('not a sound pickle: a numpy array without a dtype', 'BAD_PICKLE');
  const { code, order } = type;
  if (/^[|<>=]?O/.test(code)) throw refuse('a numpy array of Python objects');
  if (!(bytes instanceof Uint8Array)) throw refuse('a numpy array whose data are no bytes');
  return { descr: `${order}${code.replace(/^[|<>=]/, '')}`, shape, fortran, bytes };
}
