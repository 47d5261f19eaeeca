import { withTiedNames } from '../checkpoint/tied.ts';
import { HopfcoleError } from '../files/error.ts';
import { importNetwork } from '../layers/network.ts';
import { openWeights } from './checkpoint-files.ts';
import type { Arguments, Outcome } from './command.ts';
import { operatorCounts } from './describe.ts';
import { describedText, saveModel, signature } from './model-files.ts';
import { flag, optionalText, text } from './options.ts';
import { readSpec } from './spec-file.ts';

/**
 * Writes a checkpoint's weights as a model: into the network that --spec describes.
 * @throws UNRECOGNISED_NETWORK, UNUSED_PARAMETERS, and what reading, building and writing throw.
 */
export async function importCheckpoint(path: string, output: string, args: Arguments): Promise<Outcome> {
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
}
