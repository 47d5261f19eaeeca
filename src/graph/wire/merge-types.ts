import { HopfcoleError } from '../../files/error.ts';
import { type Dim, describeType, type Shape, tensorType, type ValueType } from '../type.ts';

/** What a file declares of a value together with what is inferred; `conflict` where they contradict each other (the file is then believed). */
export function mergeTypes(declared: ValueType, inferred: ValueType): { type: ValueType; conflict?: HopfcoleError } {
  if (declared === undefined) return { type: inferred };
  if (inferred === undefined) return { type: declared };
  if (declared.kind !== inferred.kind) return { type: declared, conflict: conflictOf(declared, inferred) };
  if (declared.kind !== 'tensor' || inferred.kind !== 'tensor') return { type: declared };
  const { dtype } = declared;
  if (dtype !== undefined && inferred.dtype !== undefined && dtype !== inferred.dtype)
    return { type: declared, conflict: conflictOf(declared, inferred) };
  const shape = mergeShapes(declared.shape, inferred.shape);
  if (shape === 'conflict') return { type: declared, conflict: conflictOf(declared, inferred) };
  return { type: tensorType(dtype ?? inferred.dtype, shape) };
}

function mergeShapes(declared: Shape, inferred: Shape): Shape | 'conflict' {
  if (declared === undefined) return inferred;
  if (inferred === undefined) return declared;
  if (declared.length !== inferred.length) return 'conflict';
  const dims: Dim[] = [];
  for (const [index, dim] of declared.entries()) {
    const other = inferred[index];
    if (typeof dim === 'number' && typeof other === 'number' && dim !== other) return 'conflict';
    dims.push(typeof dim === 'number' ? dim : typeof other === 'number' ? other : (dim ?? other));
  }
  return dims;
}

function conflictOf(declared: ValueType, inferred: ValueType): HopfcoleError {
  return new HopfcoleError(
    'TYPE_CONFLICT',
    `the file declares ${describeType(declared)}, inference finds ${describeType(inferred)}`,
  );
}
