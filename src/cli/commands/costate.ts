import type { Costate } from '../../costate/costate.ts';
import type { LossKind } from '../../costate/loss.ts';
import { HopfcoleError } from '../../files/error.ts';
import type { Arguments, Command } from '../command.ts';
import { modelOptions, optionalNumber, optionalText, outputOption, text } from '../options.ts';
import { table } from '../output.ts';

const losses: readonly LossKind[] = ['mse', 'cross-entropy', 'nll'];

export const costate: Command = {
  usage: 'costate <model>',
  describe:
    'the co-state (gradient) graph of a model, in plain ONNX: the outputs as they were, then a co-state for each value asked',
  positionals: { model: { describe: 'an .onnx file' } },
  options: {
    output: outputOption,
    of: {
      type: 'string',
      describe: 'outputs or inner values to differentiate (default: all outputs)',
      requiresArg: true,
    },
    wrt: {
      type: 'string',
      describe: 'inputs, parameters, all, or names of values (name:inputs for one called so)',
      requiresArg: true,
    },
    weights: {
      type: 'string',
      describe: 'a checkpoint: parameters that are not as it has them get no co-state under their name',
      requiresArg: true,
    },
    seed: {
      type: 'string',
      choices: ['ones', 'input'],
      default: 'ones',
      describe: 'ones: of the sum of the outputs; input: one more input cotangent_NAME per output',
      requiresArg: true,
    },
    loss: {
      type: 'string',
      choices: losses,
      describe: 'of the first output, a mean: one more input target, one more output loss',
      requiresArg: true,
    },
    'class-axis': {
      type: 'number',
      describe: "the loss's axis of classes (default 1, or 0 where there is one axis)",
      requiresArg: true,
    },
    order: {
      type: 'number',
      choices: [1, 2],
      default: 1,
      describe: '2: Hessian-vector products hvp_NAME as well',
      requiresArg: true,
    },
    direction: {
      type: 'string',
      choices: ['input'],
      describe: 'where directions of order 2 come from: one more input direction_NAME per value asked',
      requiresArg: true,
    },
    recompute: {
      type: 'string',
      describe: 'less memory: keep what passes between N blocks (or auto), compute their inside again on the way back',
      requiresArg: true,
    },
    ...modelOptions,
  },
  example: 'hopfcole costate fixtures/digits/digits_lse.onnx --wrt all -o digits-costate.onnx',
  async run(args) {
    const path = text(args, 'model');
    const output = text(args, 'output');
    const of = names(args, 'of');
    const wrt = names(args, 'wrt');
    const weights = optionalText(args, 'weights');
    const order = optionalNumber(args, 'order', { integer: true, min: 1, max: 2 }) === 2 ? 2 : 1;
    if (args.direction !== undefined && order === 1)
      throw new HopfcoleError('BAD_USAGE', 'directions are of order 2', { argument: '--direction' }, 'Add --order 2');
    const { costate: costateOf } = await import('../../costate/costate.ts');
    const { changedFrom } = await import('../../costate/parameters/compare.ts');
    const { withCopiesLoaded } = await import('../../costate/parameters/loaded.ts');
    const { openWeights } = await import('../checkpoint-files.ts');
    const { assertSound, openModel, saveModel, signature } = await import('../model-files.ts');
    const { withTiedNames } = await import('../../checkpoint/tied.ts');
    const opened = await openModel(path, args);
    await assertSound(opened, path);
    const { folder } = opened;
    const model = await withCopiesLoaded(opened.model);
    const checkpoint = weights === undefined ? undefined : await openWeights(weights);
    const made = costateOf(model, {
      ...(of === undefined ? {} : { of }),
      ...(wrt === undefined ? {} : { wrt }),
      seed: args.seed === 'input' ? 'input' : 'ones',
      order,
      ...lossIn(args),
      ...blocksIn(args),
      changed:
        checkpoint === undefined
          ? []
          : await changedFrom(model, withTiedNames(checkpoint.tensors, checkpoint.metadata)),
    });
    await saveModel(made.model, output, args, folder);
    const { outputs } = signature(made.model);
    const { changed, notDifferentiable } = made;
    const gradients = made.gradients.map(({ wrt, name, dtype, shape }) => ({
      wrt,
      name,
      dtype,
      shape: shape?.map((dim) => dim ?? null) ?? null,
    }));
    return { json: { output, outputs, gradients, changed, notDifferentiable }, text: told(made, output) };
  },
};

function told({ model, gradients, changed, notDifferentiable }: Costate, output: string): string[] {
  const { inputs, nodes } = model.graph;
  return [
    ...table(gradients.map(({ wrt, name, dtype, shape }) => [wrt, name, dtype + shown(shape)])),
    ...changed.map(({ name, why }) => `changed ${name}: ${why}`),
    ...notDifferentiable.map(({ name, why }) => `no co-state of ${name}: ${why}`),
    `inputs  ${inputs.flatMap(({ name, source }) => (source.kind === 'input' ? [name ?? ''] : [])).join(', ')}`,
    `wrote ${output} (${nodes.length} nodes)`,
  ];
}

function shown(shape: Costate['gradients'][number]['shape']): string {
  return shape === undefined ? '' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`;
}

function lossIn(args: Arguments): { loss?: LossKind; classAxis?: number } {
  const classAxis = optionalNumber(args, 'class-axis', { integer: true });
  const loss = losses.find((kind) => kind === args.loss);
  if (classAxis !== undefined && loss === undefined)
    throw new HopfcoleError('BAD_USAGE', 'classes are of a loss', { argument: '--class-axis' }, 'Add --loss');
  return { ...(loss === undefined ? {} : { loss }), ...(classAxis === undefined ? {} : { classAxis }) };
}

function blocksIn(args: Arguments): { recompute?: number | 'auto' } {
  const given = optionalText(args, 'recompute');
  if (given === undefined) return {};
  if (given === 'auto') return { recompute: 'auto' };
  if (/^[1-9]\d{0,5}$/.test(given)) return { recompute: Number(given) };
  throw new HopfcoleError('BAD_USAGE', `expected auto or a number of blocks, got '${given}'`, {
    argument: '--recompute',
  });
}

/** The names of a flag that may be given several times, each a list with commas; undefined where it is not given. */
function names(args: Arguments, flag: string): string[] | undefined {
  const given = args[flag];
  if (given === undefined) return undefined;
  const all = [given].flat().flatMap((item) => String(item).split(','));
  if (all.length > 0 && all.every((name) => name !== '')) return all;
  throw new HopfcoleError('BAD_USAGE', `expected names with commas between them, got '${String(given)}'`, {
    argument: `--${flag}`,
  });
}
