import type { Checked } from '../check-expected.ts';
import type { Command, Outcome } from '../command.ts';
import { optionalNumber, optionalText, providerOptions, text } from '../options.ts';
import { weightsChosen, weightsOptions } from '../weights-options.ts';

export const check: Command = {
  usage: 'check <file> [expected]',
  describe: 'is it whole, valid and safe, and does it give these outputs',
  positionals: {
    file: { describe: 'a model, a program or a checkpoint' },
    expected: { describe: 'the outputs a model should give, and values inside by module path' },
  },
  options: {
    input: {
      type: 'string',
      describe: 'inputs of the run that is compared (default: the file of expected outputs has them too)',
      requiresArg: true,
    },
    method: { type: 'string', describe: 'which program of a .pt2 that holds several', requiresArg: true },
    tolerance: {
      type: 'number',
      describe: 'largest error allowed, relative to the largest value (default by dtype)',
      requiresArg: true,
    },
    ...weightsOptions,
    ...providerOptions,
  },
  example: 'hopfcole check fixtures/digits/digits_lse.safetensors',
  async run(args, context): Promise<Outcome> {
    const path = text(args, 'file');
    const expected = optionalText(args, 'expected');
    const compared = async (checked: Checked) => {
      const { compareOutputs } = await import('../check-expected.ts');
      const tolerance = optionalNumber(args, 'tolerance', { above: 0 });
      const inputs = optionalText(args, 'input');
      return compareOutputs(checked, { path: expected ?? '', inputs, tolerance }, args, context);
    };
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
    if (format === 'pt2') {
      await source.close?.();
      const { openProgram } = await import('../program-files.ts');
      const program = await openProgram(path, args);
      const outcome = await (await import('../check-program.ts')).checkProgram(path, program);
      return expected === undefined ? outcome : compared(program);
    }
    if (format !== 'onnx' && format !== 'unknown') {
      await source.close?.();
      return (await import('../check-checkpoint.ts')).checkCheckpoint(path, weightsChosen(args), context);
    }
    if (format === 'unknown' && /\.json$/i.test(path)) {
      await source.close?.();
      const { layers } = await (await import('../spec-file.ts')).readSpec(path);
      return {
        json: { format: 'spec', layers: layers.length, problems: [] },
        text: [`${path}: valid specification of ${layers.length} layers`],
      };
    }
    const { checkModel } = await import('../check-model.ts');
    const outcome = await checkModel(path, source);
    if (expected === undefined) return outcome;
    const { openModel } = await import('../model-files.ts');
    const { model, folder } = await openModel(path);
    return compared({ model, folder, file: path });
  },
};
