import type { Call } from '../lower/call.ts';

/** How many results the program's node has. */
export function resultCount(call: Call): number {
  return call.outputs.length;
}
