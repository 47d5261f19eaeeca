import type { Command } from './command.ts';
import { attribute } from './commands/attribute.ts';
import { build } from './commands/build.ts';
import { check } from './commands/check.ts';
import { costate } from './commands/costate.ts';
import { demo } from './commands/demo.ts';
import { doctor } from './commands/doctor.ts';
import { exportModel } from './commands/export.ts';
import { importWeights } from './commands/import.ts';
import { inspect } from './commands/inspect.ts';
import { run } from './commands/run.ts';
import { verify } from './commands/verify.ts';

/** Every command, in the order `--help` lists them. */
export const commands: readonly Command[] = [
  demo,
  inspect,
  check,
  build,
  importWeights,
  run,
  costate,
  attribute,
  verify,
  exportModel,
  doctor,
];
