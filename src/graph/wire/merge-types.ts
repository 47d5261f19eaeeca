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
    dims.push(typeof other === 'number' || (typeof dim === 'number' && isSymbol(other)) ? other : (dim ?? other));
  }
  return dims;
}

/**
 * A symbol alone, as inputs have. A size declared in its place was the example's: PyTorch's exporter keeps those of recurrent layers
 * over an axis that is free.
 */
function isSymbol(dim: Dim): boolean {
  return typeof dim === 'string' && /^[a-z_]\w*$/i.test(dim);
}

function conflictOf(declared: ValueType, inferred: ValueType): HopfcoleError {
  return new HopfcoleError(
    'TYPE_CONFLICT',
    `the file declares ${describeType(declared)}, inference finds ${describeType(inferred)}`,
  );
}
