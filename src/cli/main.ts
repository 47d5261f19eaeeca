#!/usr/bin/env node
import process from 'node:process';
import yargs from 'yargs';
import { HopfcoleError } from '../files/error.ts';
import { nearest } from '../files/nearest.ts';
import type { Arguments, Command, Outcome } from './command.ts';
import { commands } from './commands.ts';
import { commonOptions, optionalNumber } from './options.ts';
import { asHopfcoleError, toJson } from './output.ts';
import { terminalProgress } from './progress.ts';
import { version } from './version.ts';

const exitCodes = { done: 0, checkFailed: 1, badInput: 2, interrupted: 130 } as const;

/** Runs one command line and returns the exit code. Nothing but results goes to stdout, nothing but errors and progress to stderr. */
async function main(words: readonly string[]): Promise<number> {
  const wantsJson = words.includes('--json');
  let chosen: { command: Command; args: Arguments } | undefined;
  let help: string | undefined;
  const parser = yargs()
    .scriptName('hopfcole')
    .usage(
      'hopfcole COMMAND [flags]\n\nCarries neural networks between PyTorch and ONNX, and reads them as Hamilton-Jacobi equations.',
    )
    .options(commonOptions)
    .version(version)
    .help()
    .strict()
    .exitProcess(false)
    .parserConfiguration({ 'camel-case-expansion': false, 'duplicate-arguments-array': true })
    // yargs lays out the help of a command that it runs, whether or not anybody asked for it: without a width that costs nothing.
    .wrap(words.includes('--help') || words.length === 0 ? Math.min(110, process.stdout.columns ?? 110) : null)
    .epilogue('Each command: hopfcole COMMAND --help');
  for (const command of commands)
    parser.command(
      command.usage,
      command.describe,
      (y) => {
        for (const [name, positional] of Object.entries(command.positionals ?? {}))
          y.positional(name, { type: 'string', ...positional });
        return y.options(command.options).example(command.example, '');
      },
      (args) => {
        chosen = { command, args };
      },
    );
  try {
    assertKnown(words);
    await parser.parse(words, {}, (error: Error | undefined | null, _args: unknown, output: string) => {
      if (error) throw badUsage(error.message.split('\n')[0] ?? 'bad usage', words);
      if (output !== '') help = output;
    });
    if (help !== undefined) return print(`${help}\n`, exitCodes.done);
    if (chosen === undefined)
      throw new HopfcoleError('BAD_USAGE', 'no command given', {}, 'hopfcole --help lists the commands');
    const name = chosen.command.usage.split(' ')[0] ?? '';
    const { outcome, interrupted } = await perform(chosen.command, chosen.args, wantsJson);
    if (interrupted) return exitCodes.interrupted;
    const passed = outcome.passed ?? true;
    const shown = wantsJson ? toJson({ ok: passed, command: name, ...outcome.json }) : outcome.text.join('\n');
    return print(shown === '' ? '' : `${shown}\n`, passed ? exitCodes.done : exitCodes.checkFailed);
  } catch (thrown) {
    return fail(thrown, wantsJson, words.includes('--debug'));
  }
}

async function perform(
  command: Command,
  args: Arguments,
  quiet: boolean,
): Promise<{ outcome: Outcome; interrupted: boolean }> {
  const seconds = optionalNumber(args, 'timeout', { above: 0 });
  const controller = new AbortController();
  let interrupted = false;
  const onSignal = () => {
    interrupted = true;
    controller.abort(new HopfcoleError('INTERRUPTED', 'interrupted'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const tooLate = () =>
    controller.abort(
      new HopfcoleError('TIMEOUT', `not done within ${seconds} s`, {}, 'Give more time with --timeout SECONDS'),
    );
  const timer = seconds === undefined ? undefined : setTimeout(tooLate, seconds * 1000);
  const progress = terminalProgress(process.stderr, quiet);
  const deadline = seconds === undefined ? undefined : Date.now() + seconds * 1000;
  const stopped = new Promise<never>((_resolve, reject) =>
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason)),
  );
  try {
    const outcome = await Promise.race([command.run(args, { signal: controller.signal, progress, deadline }), stopped]);
    return { outcome, interrupted: false };
  } catch (thrown) {
    if (interrupted) return { outcome: { json: {}, text: [] }, interrupted: true };
    throw thrown;
  } finally {
    clearTimeout(timer);
    progress.finish();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

const names = commands.map((command) => command.usage.split(' ')[0] ?? '');

function assertKnown([word]: readonly string[]): void {
  if (word === undefined || word.startsWith('-') || names.includes(word)) return;
  throw new HopfcoleError(
    'BAD_USAGE',
    `unknown command '${word}'`,
    {},
    meant(word, names) ?? 'hopfcole --help lists the commands',
  );
}

/** What yargs says of the words, with the nearest flag where one is unknown. */
function badUsage(message: string, [word]: readonly string[]): HopfcoleError {
  const command = commands[names.indexOf(word ?? '')];
  const unknown = /^Unknown arguments?: ([^,]+)/.exec(message)?.[1] ?? '';
  const flags = [...Object.keys(commonOptions), ...Object.keys(command?.options ?? {}), 'help', 'version'];
  const help = command === undefined ? 'hopfcole --help lists the commands' : `hopfcole ${word} --help shows the flags`;
  return new HopfcoleError(
    'BAD_USAGE',
    message,
    {},
    (unknown === '' ? undefined : meant(unknown, flags, '--')) ?? help,
  );
}

function meant(word: string, known: readonly string[], before = ''): string | undefined {
  const near = nearest(word, known);
  return near === undefined ? undefined : `Did you mean '${before}${near}'?`;
}

async function fail(thrown: unknown, wantsJson: boolean, debug: boolean): Promise<number> {
  const error = asHopfcoleError(thrown);
  process.stderr.write(`error: ${error.line()}\n`);
  if (debug)
    process.stderr.write(`${error.stack}\n${error.cause instanceof Error ? `caused by ${error.cause.stack}\n` : ''}`);
  const { code, message, where, hint } = error;
  return wantsJson
    ? print(`${toJson({ ok: false, error: { code, message, where, hint } })}\n`, exitCodes.badInput)
    : exitCodes.badInput;
}

/** Writes to stdout and waits until it is out, so that a pipe gets all of it. */
function print(output: string, code: number): Promise<number> {
  return new Promise((resolve) => {
    if (output === '') resolve(code);
    else process.stdout.write(output, () => resolve(code));
  });
}

// A reader that closes the pipe early (head, a pager) is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 2));

process.exit(await main(process.argv.slice(2)));
