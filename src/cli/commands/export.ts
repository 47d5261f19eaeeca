import { basename, join } from 'node:path';
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
    const { assertSound, openModel, saveModel } = await import('../model-files.ts');
    const { withReading } = await import('../../reading/metadata.ts');
    const opened = await openModel(path);
    const { model, folder } = opened;
    await assertSound(opened, path);
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
