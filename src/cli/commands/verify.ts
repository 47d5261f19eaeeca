import type { Command, Outcome } from '../command.ts';
import { optionalText, providerOptions } from '../options.ts';
import { table } from '../output.ts';

export const verify: Command = {
  usage: 'verify [model]',
  describe: 'every site against its Hamilton-Jacobi equation, by independent paths',
  positionals: { model: { describe: 'an .onnx file; without one, reference atoms' } },
  options: providerOptions,
  example: 'hopfcole verify',
  async run(args, context): Promise<Outcome> {
    const path = optionalText(args, 'model');
    const { verifyModel, verifyReference } = await import('../../analysis/verify.ts');
    const { openModel } = await import('../model-files.ts');
    const { openBuilt } = await import('../session.ts');
    const opened = path === undefined ? undefined : await openModel(path, args);
    context.progress.update('computing each identity twice');
    const open = (model: Parameters<typeof openBuilt>[0]) => openBuilt(model, opened?.folder, args, context);
    const checks = opened === undefined ? await verifyReference(open) : await verifyModel(opened.model, open);
    const rows = checks.map(({ name, statement, error, tolerance, ok }) => {
      // What is only told, or reported, is neither right nor wrong.
      const told = /^(structural|open|not computed): /.test(statement) || tolerance === Number.MAX_VALUE;
      return [
        ok ? (told ? '-' : 'ok') : 'FAILS',
        name,
        statement,
        told ? '-' : error.toExponential(1),
        told ? '-' : tolerance.toExponential(0),
      ];
    });
    return {
      json: { checks },
      text:
        checks.length === 0
          ? ['the model has no HJ site: nothing to check']
          : [...table([['', 'identity', 'statement', 'error', 'tolerance'], ...rows])],
      passed: checks.every(({ ok }) => ok),
    };
  },
};
