import type { Options } from 'yargs';
import type { CheckpointOptions } from '../checkpoint/open.ts';
import type { Arguments } from './command.ts';
import { optionalText } from './options.ts';

/** Flags of every command that reads a checkpoint. */
export const weightsOptions: Readonly<Record<string, Options>> = {
  key: {
    type: 'string',
    alias: 'select',
    describe: 'which dict or module of a checkpoint holds the weights, where several could: ema, nets.generator',
    requiresArg: true,
  },
  prefix: {
    type: 'string',
    describe: 'only the weights whose names begin with it, without it: model.',
    requiresArg: true,
  },
};

/** What those flags choose. @throws BAD_USAGE */
export function weightsChosen(args: Arguments): Pick<CheckpointOptions, 'select' | 'prefix'> {
  return { select: optionalText(args, 'key') ?? optionalText(args, 'select'), prefix: optionalText(args, 'prefix') };
}
