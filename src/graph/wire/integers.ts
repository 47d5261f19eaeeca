import Long from 'long';

/** An int64 of a message: a number where that is exact, otherwise a bigint. */
export function fromLong(value: Long | number): number | bigint {
  if (typeof value === 'number') return value;
  const number = value.toNumber();
  return Number.isSafeInteger(number) ? number : BigInt(value.toString());
}

export function toLong(value: number | bigint): Long {
  return typeof value === 'bigint' ? Long.fromString(value.toString()) : Long.fromNumber(value);
}
