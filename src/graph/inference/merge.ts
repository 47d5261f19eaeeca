import { joinShapes } from '../dim.ts';
import { tensorType, type ValueType } from '../type.ts';

/** What holds for a value that may be of either type (branches of an If, elements of a sequence); undefined where nothing does. */
export function joinTypes(a: ValueType, b: ValueType): ValueType {
  if (a === undefined || b === undefined) return undefined;
  if (a.kind === 'tensor' && b.kind === 'tensor')
    return tensorType(a.dtype === b.dtype ? a.dtype : undefined, joinShapes(a.shape, b.shape));
  if (a.kind === 'sparse' && b.kind === 'sparse')
    return { kind: 'sparse', dtype: a.dtype === b.dtype ? a.dtype : undefined, shape: joinShapes(a.shape, b.shape) };
  if ((a.kind === 'sequence' || a.kind === 'optional') && a.kind === b.kind)
    return { kind: a.kind, element: joinTypes(a.element, (b as typeof a).element) };
  return a.kind === b.kind && a.kind === 'map' ? a : undefined;
}
