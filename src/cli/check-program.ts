import { HopfcoleError } from '../files/error.ts';
import { validate } from '../graph/validate/validate.ts';
import { toProto } from '../graph/wire/write.ts';
import type { ImportedProgram } from '../torch/program.ts';
import type { Outcome } from './command.ts';
import { describedText, signature } from './model-files.ts';

/** @throws the first thing that is wrong with the graph that a program became: its structure, types and shapes. */
export async function checkProgram(path: string, program: ImportedProgram): Promise<Outcome> {
  const problems = await validate(toProto(program.model));
  const first = problems.find(({ severity }) => severity === 'error');
  if (first !== undefined)
    throw new HopfcoleError(first.code, first.message, { ...first.where, file: path }, first.hint);
  const { inputs, outputs } = signature(program.model);
  const { parameters, changed, torchVersion } = program;
  return {
    json: { format: 'pt2', torchVersion, inputs, outputs, parameters: parameters.used.length, changed, problems: [] },
    text: [
      `${path}: valid program of PyTorch ${torchVersion}, ${parameters.used.length} parameters`,
      ...inputs.map((input) => `input   ${describedText(input)}`),
      ...outputs.map((output) => `output  ${describedText(output)}`),
    ],
  };
}
