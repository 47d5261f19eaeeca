import { isFloat } from '../../files/dtype.ts';
import type { Graph } from '../../graph/graph.ts';
import { parameter } from '../../graph/make.ts';
import type { Value } from '../../graph/value.ts';
import type { Changed } from './changed.ts';

/** A graph whose merged parameters are apart again, and those that could not be told apart. */
export interface Unmerged {
  readonly graph: Graph;
  readonly changed: readonly Changed[];
}

/** Another parameter on the same bytes; undefined where the value is no floating-point parameter. */
export function twinOf(value: Value | undefined, name: string): Value | undefined {
  if (value?.source.kind !== 'parameter' || value.dtype === undefined || !isFloat(value.dtype)) return undefined;
  return value.source.overridable === true ? undefined : parameter(name, value.source.tensor);
}
