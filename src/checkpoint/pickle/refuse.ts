import type { HopfcoleError } from '../../files/error.ts';

/** Makes the error, with its place in the pickle: UNSAFE_PICKLE unless told otherwise. */
export type Refuse = (message: string, code?: 'BAD_PICKLE') => HopfcoleError;
