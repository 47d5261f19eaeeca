import { basename, join } from 'node:path';
import { HopfcoleError } from '../../files/error.ts';
import type { Folder } from '../../files/source.ts';
import type { ModelProto } from '../../onnx/messages.ts';
import type { Command } from '../command.ts';
import { modelOptions, outputOption, text } from '../options.ts';

const targets = ['onnx'] as const;

export const exportModel: Command = {
  usage: 'export <model>',
  describe: 'to another stack: ONNX of another opset, with functions inlined, with external data',
  positionals: { model: { describe: 'an .onnx file' } },
  options: {
    to: { type: 'string', choices: targets, default: 'onnx', describe: 'target', requiresArg: true },
    output: { ...outputOption, describe: 'folder, or an .onnx file' },
    ...modelOptions,
  },
  example: 'hopfcole export fixtures/digits/digits_lse.onnx --to onnx --inline -o digits-inlined.onnx',
  async run(args) {
    const path = text(args, 'model');
    const destination = text(args, 'output');
    const { mkdir } = await import('node:fs/promises');
    const { openModel, saveModel } = await import('../model-files.ts');
    const { withReading } = await import('../../reading/metadata.ts');
    const { proto, model, folder } = await openModel(path);
    if ((model.problems ?? []).length > 0) await assertSound(proto, folder, path);
    const isFile = destination.toLowerCase().endsWith('.onnx');
    if (!isFile) await mkdir(destination, { recursive: true });
    const output = isFile ? destination : join(destination, basename(path));
    const files = await saveModel(withReading(model), output, args, folder);
    const start = `hopfcole run ${output} --input INPUT.npz -o OUTPUT.npz`;
    return {
      json: { target: 'onnx', files, start },
      text: [...files.map((file) => `wrote ${file}`), `run it with: ${start}`],
    };
  },
};

/** @throws what makes the model invalid: what inference finds in branches that are never taken does not. */
async function assertSound(proto: ModelProto, folder: Folder, file: string): Promise<void> {
  const { assertValid } = await import('../../graph/validate/validate.ts');
  try {
    await assertValid(proto, folder);
  } catch (error) {
    throw error instanceof HopfcoleError ? error.at({ file }) : error;
  }
}
