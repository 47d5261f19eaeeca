/**
 * The message that an attribute, a type, a tensor or a value was read from, by the object it became.
 * What is written from the same object is the same message, with everything the IR has no name for.
 */
const messages = new WeakMap<object, unknown>();

export function setOrigin(made: object, message: object): void {
  messages.set(made, message);
}

export function originOf<T>(made: object | undefined): T | undefined {
  return made === undefined ? undefined : (messages.get(made) as T | undefined);
}

/** The field as it was read where it still says the same (absent and empty are one to the IR), otherwise as it is now. */
export function keep(before: string | null | undefined, now: string | undefined): string | null | undefined {
  return (before ?? '') === (now ?? '') ? before : now;
}

interface Message {
  $unknowns?: Uint8Array[];
}

/** The fields of a message as it was read, to be written with some of them changed; the fields this version does not know too, which a spread leaves out. */
export function copyOf<T extends Message>(origin: T | undefined): T {
  const copy = { ...origin } as T;
  if (origin?.$unknowns !== undefined) copy.$unknowns = origin.$unknowns;
  return copy;
}
