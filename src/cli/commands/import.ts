import { HopfcoleError } from '../../files/error.ts';
import type { Command } from '../command.ts';
import { flag, modelOptions, optionalText, outputOption, text } from '../options.ts';

export const importWeights: Command = {
  usage: 'import <file>',
  describe: "a checkpoint's weights (.pt, .safetensors, sharded, .npz) into the network that SPEC describes",
  positionals: { file: { describe: 'a checkpoint; nothing of it is ever executed' } },
  options: {
    spec: { type: 'string', describe: 'JSON specification of the network', requiresArg: true },
    output: outputOption,
    select: {
      type: 'string',
      describe: 'which dict of the checkpoint holds the weights, where several could',
      requiresArg: true,
    },
    partial: {
      type: 'boolean',
      default: false,
      describe: 'unused weights are no error, missing ones are drawn afresh',
    },
    ...modelOptions,
  },
  example: 'hopfcole import fixtures/digits/digits_lse.pt --spec fixtures/digits/digits_lse.json -o digits.onnx',
  async run(args) {
    const path = text(args, 'file');
    const output = text(args, 'output');
    const { openWeights } = await import('../checkpoint-files.ts');
    const { withTiedNames } = await import('../../checkpoint/tied.ts');
    const { importNetwork } = await import('../../layers/network.ts');
    const { describedText, saveModel, signature } = await import('../model-files.ts');
    const { operatorCounts } = await import('../describe.ts');
    const { readSpec } = await import('../spec-file.ts');
    if (args.spec === undefined)
      throw new HopfcoleError(
        'UNRECOGNISED_NETWORK',
        'the file holds weights without a graph',
        { file: path },
        'Say which network they belong to with --spec; hopfcole build --schema prints what a specification may hold',
      );
    const specPath = text(args, 'spec');
    const spec = await readSpec(specPath);
    const checkpoint = await openWeights(path, { select: optionalText(args, 'select') });
    const tensors = withTiedNames(checkpoint.tensors, checkpoint.metadata);
    const network = importNetwork(spec, tensors, {}, specPath, flag(args, 'partial'));
    const { unused } = network.parameters;
    if (unused.length > 0 && !flag(args, 'partial'))
      throw new HopfcoleError(
        'UNUSED_PARAMETERS',
        `the specification does not use ${unused.length} of the checkpoint's tensors: ${unused.slice(0, 20).join(', ')}${unused.length > 20 ? ', ...' : ''}`,
        { file: path },
        'Add their layers to the specification, or say --partial',
      );
    await saveModel(network.model, output, args);
    const { inputs, outputs } = signature(network.model);
    const operators = operatorCounts(network.model);
    return {
      json: {
        output,
        format: checkpoint.format,
        recognised: null,
        operators,
        parameters: network.parameters,
        changed: network.changed,
        inputs,
        outputs,
      },
      text: [
        `${checkpoint.format}: ${network.parameters.used.length} parameters used${unused.length === 0 ? '' : `, ${unused.length} unused`}`,
        ...network.changed.map(({ name, why }) => `changed ${name}: ${why}`),
        `inputs  ${inputs.map(describedText).join(', ')}`,
        `outputs ${outputs.map(describedText).join(', ')}`,
        `wrote ${output}`,
      ],
    };
  },
};
