import type { Options } from 'yargs';
import type { Progress } from './progress.ts';

/** What a command gives back: one JSON document, and the same for people. */
export interface Outcome {
  /** Written after `ok` and `command` when `--json` is asked for. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Lines for a terminal. */
  readonly text: readonly string[];
  /** false: a check failed (exit code 1). */
  readonly passed?: boolean;
}

/** What every command is given beside its arguments. */
export interface Context {
  /** Aborted by Ctrl-C and by `--timeout`. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Deadline in milliseconds since the epoch, where `--timeout` was given. */
  readonly deadline: number | undefined;
}

export type Arguments = Readonly<Record<string, unknown>>;

/** One command of the command line; its `run` loads what it needs, so that `--help` stays fast. */
export interface Command {
  /** yargs notation: `run <model>`. */
  readonly usage: string;
  readonly describe: string;
  /** Arguments and flags beyond the common ones. */
  readonly positionals?: Readonly<Record<string, { readonly describe: string; readonly array?: boolean }>>;
  readonly options: Readonly<Record<string, Options>>;
  /** One example that works as printed in the repository's root. */
  readonly example: string;
  run(args: Arguments, context: Context): Promise<Outcome>;
}
