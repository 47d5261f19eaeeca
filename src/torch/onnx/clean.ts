import type { Changed } from '../../costate/parameters/changed.ts';
import { isFloat } from '../../files/dtype.ts';
import type { Model } from '../../graph/graph.ts';
import { type CleanOptions, type CleanStep, cleanModel } from '../../graph/passes/clean/clean.ts';
import { type Restored, restoreParameters } from './restore.ts';

export interface CleanedExport extends Restored {
  /** What each pass did that changed something. */
  readonly steps: readonly CleanStep[];
}

/**
 * A file of PyTorch's exporters, or of another, cleaned: parameters under the names of the state dict, then the passes of `cleanModel`. The model must be
 * as it was read, or restored already. `changed` names every parameter that is not what its name says, and every one that is gone.
 * @throws UNSUPPORTED_CONVERSION where an opset is asked for that some operator cannot be raised to.
 */
export function cleanExport(given: Model | Restored, options: CleanOptions = {}): CleanedExport {
  const restored = 'graph' in given ? restoreParameters(given) : given;
  const { model, steps } = cleanModel(restored.model, options);
  return { model, steps, changed: [...restored.changed, ...goneBy(steps, restored)] };
}

/** Parameters that a pass left out; whole numbers, which exporters make of shapes, are told only where they are parameters or buffers. */
function goneBy(steps: readonly CleanStep[], { model, changed }: Restored): readonly Changed[] {
  const told = new Set(changed.map(({ name }) => name));
  const held = new Map(model.graph.parameters.map((value) => [value.name ?? '', value]));
  const isMadeUp = (name: string): boolean => /^(val_\d+|onnx::.*|.*_output_\d+)$/.test(name);
  return steps.flatMap(({ pass, gone }) =>
    gone.flatMap((name) => {
      const dtype = held.get(name)?.dtype;
      const isNumber = dtype !== undefined && !isFloat(dtype) && isMadeUp(name);
      return isNumber || told.has(name) ? [] : [{ name, why: `nothing needs it (${pass})` }];
    }),
  );
}
