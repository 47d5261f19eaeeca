import type { Command } from '../command.ts';
import { outputOption } from '../options.ts';

export const demo: Command = {
  usage: 'demo',
  describe: 'the main job on a real checkpoint: import, export, run, compare with PyTorch, attribute, report',
  options: { output: { ...outputOption, default: 'out', describe: 'folder for the model and the report' } },
  example: 'hopfcole demo',
  async run(args, context) {
    const { demo: perform } = await import('../demo/demo.ts');
    return perform(String(args.output), args, context);
  },
};
