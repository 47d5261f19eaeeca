import { withTiedNames } from '../checkpoint/tied.ts';
import { HopfcoleError } from '../files/error.ts';
import { importNetwork, type Network } from '../layers/network.ts';
import { howElse } from '../layers/recognise/facts.ts';
import { misfit, type Recognised, recognise, specOf } from '../layers/recognise/recognise.ts';
import { openWeights } from './checkpoint-files.ts';
import { recognisable } from './checkpoint-network.ts';
import type { Arguments, Outcome } from './command.ts';
import { operatorCounts } from './describe.ts';
import { describeRecognised } from './describe-recognised.ts';
import { describedText, saveModel, signature } from './model-files.ts';
import { flag, optionalText } from './options.ts';
import { readSpec } from './spec-file.ts';
import { weightsChosen } from './weights-options.ts';

/**
 * Writes a checkpoint's weights as a model: into the network that --spec describes, or the one that names, shapes and the configuration beside
 * the file (or --config) tell.
 * @throws UNRECOGNISED_NETWORK, CONFIG_NEEDED, UNUSED_PARAMETERS, and what reading, building and writing throw.
 */
export async function importCheckpoint(path: string, output: string, args: Arguments): Promise<Outcome> {
  const specPath = optionalText(args, 'spec');
  const said = specPath === undefined ? undefined : await readSpec(specPath);
  const checkpoint = await openWeights(path, weightsChosen(args));
  const unknown = said === undefined ? await recognisable(checkpoint, path, optionalText(args, 'config')) : undefined;
  const tensors = unknown?.tensors ?? withTiedNames(checkpoint.tensors, checkpoint.metadata);
  const recognised = unknown === undefined ? undefined : recognise(tensors, unknown.beside);
  const spec = said ?? specOf(recognised, path);
  const network = fitted(recognised, () => importNetwork(spec, tensors, {}, specPath ?? path, flag(args, 'partial')));
  const { unused } = network.parameters;
  if (unused.length > 0 && !flag(args, 'partial'))
    throw new HopfcoleError(
      'UNUSED_PARAMETERS',
      `${recognised === undefined ? 'the specification' : recognised.network} does not use ${unused.length} of the checkpoint's tensors: ${unused.slice(0, 20).join(', ')}${unused.length > 20 ? ', ...' : ''}`,
      { file: path },
      recognised === undefined ? 'Add their layers to the specification, or say --partial' : howElse,
    );
  const changed = [...(unknown ?? checkpoint).changed, ...network.changed];
  await saveModel(network.model, output, args);
  const { inputs, outputs } = signature(network.model);
  const operators = operatorCounts(network.model);
  return {
    json: {
      output,
      format: checkpoint.format,
      recognised: recognised ?? null,
      operators,
      parameters: network.parameters,
      changed,
      inputs,
      outputs,
    },
    text: [
      ...(recognised === undefined ? [] : describeRecognised(recognised)),
      `${checkpoint.format}: ${network.parameters.used.length} parameters used${unused.length === 0 ? '' : `, ${unused.length} unused`}`,
      ...changed.map(({ name, why }) => `changed ${name}: ${why}`),
      `inputs  ${inputs.map(describedText).join(', ')}`,
      `outputs ${outputs.map(describedText).join(', ')}`,
      `wrote ${output}`,
    ],
  };
}

/** The network, or the error that says what it was taken for. */
function fitted(recognised: Recognised | undefined, build: () => Network): Network {
  if (recognised === undefined) return build();
  try {
    return build();
  } catch (error) {
    throw misfit(error, recognised);
  }
}
