import type { Command } from '../command.ts';
import { modelOptions, outputOption, text } from '../options.ts';
import { weightsOptions } from '../weights-options.ts';

export const importWeights: Command = {
  usage: 'import <file>',
  describe:
    "a whole PyTorch program (.pt2) into ONNX; another exporter's .onnx, as it is or cleaned; or weights (.pt, .safetensors, sharded, .npz) into the network that SPEC describes",
  positionals: { file: { describe: 'a program, a model or a checkpoint; nothing of it is ever executed' } },
  options: {
    spec: { type: 'string', describe: 'JSON specification of the network', requiresArg: true },
    config: {
      type: 'string',
      describe: 'config.json of a checkpoint whose network is recognised (default: the one beside it)',
      requiresArg: true,
    },
    output: outputOption,
    ...weightsOptions,
    method: {
      type: 'string',
      describe: 'which program of a .pt2 that holds several',
      requiresArg: true,
    },
    clean: {
      type: 'boolean',
      default: false,
      describe:
        'of an .onnx file: newer opset, constants folded, leftovers of exporters gone, parameters under their state-dict names',
    },
    shape: {
      type: 'string',
      describe: 'with --clean: the shape of an input that the file leaves open, NAME=1,batch,128; may be repeated',
      requiresArg: true,
    },
    fix: {
      type: 'string',
      describe: 'with --clean: an input that is a constant from now on, NAME=16000 or NAME=true; may be repeated',
      requiresArg: true,
    },
    weights: {
      type: 'string',
      describe: 'of an .onnx file: a checkpoint that tells which parameters are whose, and what was folded into them',
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
    const { formatOf } = await import('../file-format.ts');
    const { weightsPath } = await import('../weights-path.ts');
    const format = await formatOf(await weightsPath(path));
    if (format === 'onnx') return (await import('../import-onnx.ts')).importOnnx(path, output, args);
    if (format === 'pt2') return (await import('../import-program.ts')).importProgramFile(path, output, args);
    const { importCheckpoint } = await import('../import-checkpoint.ts');
    return importCheckpoint(path, output, args);
  },
};
