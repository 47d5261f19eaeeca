import type { Changed } from '../../costate/parameters/changed.ts';
import { isFloat } from '../../files/dtype.ts';
import type { Tensor } from '../../files/tensor.ts';
import type { Model } from '../../graph/graph.ts';
import { type CleanOptions, type CleanStep, cleanModel, countNodes } from '../../graph/passes/clean/clean.ts';
import { withFixedInputs, withInputShapes } from '../../graph/passes/clean/inputs.ts';
import type { Dim } from '../../graph/type.ts';
import { fromProto } from '../../graph/wire/read.ts';
import { toProto } from '../../graph/wire/write.ts';
import { type Restored, restoreParameters } from './restore.ts';

export interface CleanedExport extends Restored {
  /** What each pass did that changed something. */
  readonly steps: readonly CleanStep[];
}

export interface ExportOptions extends CleanOptions {
  /** Shapes of inputs that the file leaves open: branches that depend on a rank or a size are then taken beforehand. */
  readonly shapes?: ReadonlyMap<string, readonly Dim[]> | undefined;
  /** Inputs that are constants from now on. */
  readonly fixed?: ReadonlyMap<string, Tensor> | undefined;
}

/** A branch that is taken makes shapes known by which others are; exporters do not nest them deeper. */
const mostReadings = 4;

/**
 * A file of PyTorch's exporters, or of another, cleaned: parameters under the names of the state dict, then the passes of `cleanModel`, and again
 * as long as what they uncover tells more of shapes. The model must be as it was read, or restored already. `changed` names every
 * parameter that is not what its name says, and every one that is gone.
 * @throws UNSUPPORTED_CONVERSION where an opset is asked for that some operator cannot be raised to; UNKNOWN_NAME, SHAPE_MISMATCH, DTYPE_MISMATCH
 * for shapes and values of inputs that cannot be.
 */
export async function cleanExport(given: Model | Restored, options: ExportOptions = {}): Promise<CleanedExport> {
  const restored = 'graph' in given ? restoreParameters(given) : given;
  const { shapes = new Map(), fixed = new Map() } = options;
  const narrowed = withFixedInputs(withInputShapes(restored.model, shapes), fixed);
  const shaped = narrowed === restored.model ? narrowed : await readAgain(narrowed);
  let { model, steps } = cleanModel(shaped, options);
  for (let reading = 0; reading < mostReadings && model !== shaped; reading++) {
    const next = cleanModel(await readAgain(model), options);
    if (countNodes(next.model) >= countNodes(model)) break;
    steps = together(steps, next.steps);
    model = next.model;
  }
  return { model, steps, changed: [...restored.changed, ...goneBy(steps, restored)] };
}

/** The model with its types inferred afresh, errors in branches that are never taken tolerated as in a file. */
function readAgain(model: Model): Promise<Model> {
  return fromProto(toProto(model));
}

function together(first: readonly CleanStep[], second: readonly CleanStep[]): readonly CleanStep[] {
  const byPass = new Map(first.map((step) => [step.pass, step]));
  for (const { pass, nodes, gone } of second) {
    const before = byPass.get(pass);
    const [from, to] = before === undefined ? nodes : [before.nodes[0], before.nodes[1] - nodes[0] + nodes[1]];
    byPass.set(pass, { pass, nodes: [from, to], gone: [...(before?.gone ?? []), ...gone] });
  }
  return [...byPass.values()];
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
