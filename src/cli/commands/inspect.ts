import type { Command, Outcome } from '../command.ts';
import { text } from '../options.ts';
import { weightsChosen, weightsOptions } from '../weights-options.ts';

export const inspect: Command = {
  usage: 'inspect <file>',
  describe: 'format, opsets, inputs, outputs, parameters, operators, HJ sites',
  positionals: { file: { describe: 'a model, a program or a checkpoint' } },
  options: weightsOptions,
  example: 'hopfcole inspect fixtures/digits/digits_lse.pt',
  async run(args): Promise<Outcome> {
    const path = text(args, 'file');
    const { openFile } = await import('../../files/node/file.ts');
    const { recogniseFormat } = await import('../../checkpoint/recognise.ts');
    const { weightsPath } = await import('../weights-path.ts');
    const source = await openFile(await weightsPath(path));
    const format = await recogniseFormat(source);
    const { arrayFormat, describeArray } = await import('../arrays.ts');
    const array = arrayFormat(format, path);
    if (array !== undefined) {
      await source.close?.();
      return describeArray(path, array);
    }
    if (format === 'onnx' || format === 'unknown')
      return (await import('../inspect-model.ts')).inspectModel(path, source);
    if (format === 'pt2') return (await import('../inspect-program.ts')).inspectProgram(path);
    return (await import('../inspect-checkpoint.ts')).inspectCheckpoint(path, weightsChosen(args));
  },
};
