import { rmSync } from 'node:fs';
import { basename } from 'node:path';
import { HopfcoleError } from '../../src/files/error.ts';
import { atomicWrite, atomicWriteGroup } from '../../src/files/node/write.ts';
import type { Folder } from '../../src/files/source.ts';
import type { Model } from '../../src/graph/graph.ts';
import { inlineFunctions } from '../../src/graph/passes/inline.ts';
import { lowerOpset } from '../../src/graph/passes/opset/lower.ts';
import { opsetOf, raiseOpset } from '../../src/graph/passes/opset/raise.ts';
import { newestIr } from '../../src/graph/validate/validate.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { embedExternal, planExternal, writeExternal } from '../../src/onnx/externalise.ts';
import { writeModel } from '../../src/onnx/write.ts';

/** What the reader of the exported file asks for; what is left out stays as it is. */
export interface OnnxTarget {
  /** ai.onnx opset to write; default: the model's own. */
  readonly opset?: number | undefined;
  /** IR version to write; default: the model's own. */
  readonly ir?: number | undefined;
  /** Replace calls of model-local functions by their bodies, for runtimes without function support. */
  readonly inline?: boolean | undefined;
  /** Weights of 1 KiB and more in `<file>.data` beside the model; otherwise the file stands alone. */
  readonly externalData?: boolean | undefined;
  /** Where the external data of the model lie that was read; without it references to them stay as they are. */
  readonly folder?: Folder | undefined;
}

/**
 * The model as it is to be written: opset, IR and functions as asked for. What is not asked for stays as it is.
 * @throws what raising, lowering and inlining throw, before any file is touched.
 */
function forTarget(given: Model, target: OnnxTarget): Model {
  const inlined = target.inline === true ? inlineFunctions(given) : given;
  const own = opsetOf(inlined.opsets);
  const opset = target.opset ?? own;
  const moved =
    own === undefined || opset === undefined || opset === own
      ? inlined
      : opset > own
        ? raiseOpset(inlined, opset)
        : lowerOpset(inlined, opset);
  return target.ir === undefined ? moved : withIr(moved, target.ir);
}

/**
 * Writes a model for others: the files appear whole or not at all. Weights are streamed from where they are.
 * Returns the paths written, the model first.
 */
export async function exportOnnx(given: Model, path: string, target: OnnxTarget = {}): Promise<string[]> {
  const proto = toProto(forTarget(given, target));
  if (target.externalData !== true) {
    // References to files beside the model that was read would lead nowhere from here.
    const whole = target.folder === undefined ? proto : await embedExternal(proto, target.folder);
    await atomicWrite(path, (sink) => writeModel(whole, sink));
    return [path];
  }
  const location = `${basename(path)}.data`;
  const plan = await planExternal(proto, {
    location,
    ...(target.folder === undefined ? {} : { folder: target.folder }),
  });
  const data = `${path}.data`;
  if (plan.size === 0) {
    await atomicWrite(path, (sink) => writeModel(plan.model, sink));
    // A data file of an earlier export would belong to nothing.
    rmSync(data, { force: true });
    return [path];
  }
  await atomicWriteGroup([data, path], async ([dataSink, modelSink]) => {
    if (dataSink === undefined || modelSink === undefined) return;
    await writeExternal(plan, dataSink);
    await writeModel(plan.model, modelSink);
  });
  return [path, data];
}

const firstIrWithFunctions = 8;
const firstIrWithOverloads = 10;
const oldestIr = 4;

/** @throws BAD_ARGUMENT for an IR version that this version cannot write, or that lacks what the model uses. */
function withIr(given: Model, ir: number): Model {
  if (!Number.isInteger(ir) || ir < oldestIr || ir > newestIr)
    throw new HopfcoleError('BAD_ARGUMENT', `expected an IR version from ${oldestIr} to ${newestIr}, got ${ir}`, {
      argument: '--ir',
    });
  const lacks = (what: string, first: number) =>
    new HopfcoleError(
      'BAD_ARGUMENT',
      `IR ${ir} has no ${what} (they came with IR ${first}), and the model uses them`,
      { argument: '--ir' },
      'Add --inline, which replaces functions by their bodies',
    );
  if (given.functions.length > 0 && ir < firstIrWithFunctions) throw lacks('functions', firstIrWithFunctions);
  if (given.functions.some(({ overload }) => overload !== '') && ir < firstIrWithOverloads)
    throw lacks('overloads of functions', firstIrWithOverloads);
  return { ...given, irVersion: ir };
}
