import type { Options } from 'yargs';
import { HopfcoleError } from '../files/error.ts';
import type { Arguments } from './command.ts';

/** Flags that every command takes. */
export const commonOptions: Readonly<Record<string, Options>> = {
  json: { type: 'boolean', default: false, describe: 'one JSON document on stdout' },
  debug: { type: 'boolean', default: false, describe: 'print the stack of an error' },
  timeout: { type: 'number', describe: 'give up after SECONDS', requiresArg: true },
};

export const outputOption: Options = { type: 'string', alias: 'o', describe: 'file to write', requiresArg: true };

/** Flags of every command that runs a model. */
export const providerOptions: Readonly<Record<string, Options>> = {
  ep: {
    type: 'string',
    choices: ['auto', 'cpu', 'webgpu', 'cuda', 'tensorrt'],
    default: 'auto',
    describe: 'execution provider',
    requiresArg: true,
  },
  'require-ep': { type: 'boolean', default: false, describe: 'fail if a node runs on another provider' },
};

/** Flags of every command that writes a model. */
export const modelOptions: Readonly<Record<string, Options>> = {
  opset: { type: 'number', describe: 'ai.onnx opset to write (default 21, or what the model has)', requiresArg: true },
  ir: {
    type: 'number',
    describe: 'ONNX IR version to write (default 10, or what goes with the opset)',
    requiresArg: true,
  },
  inline: { type: 'boolean', default: false, describe: 'replace functions by their bodies' },
  'external-data': { type: 'boolean', default: false, describe: 'weights in a file beside the model' },
};

/** A string argument. @throws BAD_USAGE where it is missing or empty. */
export function text(args: Arguments, name: string): string {
  const value = args[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new HopfcoleError(
    'BAD_USAGE',
    `expected ${name === 'output' ? '-o FILE' : name}`,
    { argument: name },
    'See --help',
  );
}

export function optionalText(args: Arguments, name: string): string | undefined {
  return args[name] === undefined ? undefined : text(args, name);
}

/** A number argument within bounds, or undefined where it was not given. @throws BAD_USAGE. */
export function optionalNumber(
  args: Arguments,
  name: string,
  bounds: { readonly integer?: boolean; readonly min?: number; readonly max?: number; readonly above?: number } = {},
): number | undefined {
  const value = args[name];
  if (value === undefined) return undefined;
  const { integer = false, min = -Infinity, max = Infinity, above = -Infinity } = bounds;
  const fits =
    typeof value === 'number' && value >= min && value <= max && value > above && (!integer || Number.isInteger(value));
  if (fits) return value;
  const kind = integer ? 'an integer' : 'a number';
  const limits = [
    Number.isFinite(min) ? `at least ${min}` : '',
    Number.isFinite(max) ? `at most ${max}` : '',
    Number.isFinite(above) ? `above ${above}` : '',
  ].filter((part) => part !== '');
  throw new HopfcoleError('BAD_USAGE', `expected ${[kind, ...limits].join(', ')}, got ${String(value)}`, {
    argument: `--${name}`,
  });
}

export function flag(args: Arguments, name: string): boolean {
  return args[name] === true;
}
