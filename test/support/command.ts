import type { Command, Context, Outcome } from '../../src/cli/command.ts';

/** What a command gets where nobody watches and nobody stops it. */
function quietContext(): Context {
  return {
    signal: new AbortController().signal,
    progress: { update: () => {}, finish: () => {} },
    deadline: undefined,
  };
}

/** Runs a command in this process, as the command line would with these arguments. */
export function perform(command: Command, args: Record<string, unknown>): Promise<Outcome> {
  const defaults = Object.fromEntries(
    Object.entries(command.options).flatMap(([name, option]) =>
      option.default === undefined ? [] : [[name, option.default]],
    ),
  );
  return command.run({ ...defaults, ...args }, quietContext());
}
