import type { Arguments, Outcome } from './command.ts';
import { operatorCounts } from './describe.ts';
import { describedText, saveModel, signature } from './model-files.ts';
import { openProgram } from './program-files.ts';

/**
 * Writes a program of torch.export as a model.
 * @throws what importing and writing throw; nothing is written then.
 */
export async function importProgramFile(path: string, output: string, args: Arguments): Promise<Outcome> {
  const program = await openProgram(path, args);
  await saveModel(program.model, output, args);
  const { parameters, changed, constants, mutated, methods, torchVersion } = program;
  const { inputs, outputs } = signature(program.model);
  return {
    json: {
      output,
      format: 'pt2',
      torchVersion,
      methods,
      operators: operatorCounts(program.model),
      parameters,
      changed,
      inputs,
      outputs,
      constants,
      mutated,
    },
    text: [
      `pt2 of PyTorch ${torchVersion}: ${parameters.used.length} parameters used${parameters.unused.length === 0 ? '' : `, ${parameters.unused.length} not needed: ${parameters.unused.slice(0, 8).join(', ')}${parameters.unused.length > 8 ? ', ...' : ''}`}`,
      ...changed.map(({ name, why }) => `changed ${name}: ${why}`),
      ...mutated.map((name) => `the program writes to ${name}, which a model cannot: it keeps its value`),
      `inputs  ${inputs.map(describedText).join(', ')}`,
      `outputs ${outputs.map(describedText).join(', ')}`,
      `wrote ${output}`,
    ],
  };
}
