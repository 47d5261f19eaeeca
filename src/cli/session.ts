import { join } from 'node:path';
import { exportOnnx } from '../../exporters/onnx/export.ts';
import { removeTemporary, temporaryFolder } from '../files/node/temporary.ts';
import type { Folder } from '../files/source.ts';
import type { Model } from '../graph/graph.ts';
import { openSession } from '../runtime/node/open.ts';
import type { ModelSource } from '../runtime/node/options.ts';
import type { Session } from '../runtime/session.ts';
import type { Arguments, Context } from './command.ts';
import { graphFormatOf } from './file-format.ts';
import { assertRunnable } from './model-files.ts';
import { flag, text } from './options.ts';
import { openProgram } from './program-files.ts';

/** A session as the command line opens every one: in a child process, so that Ctrl-C, `--timeout` and crashes end it cleanly. */
export async function openChild(source: ModelSource, args: Arguments, context: Context): Promise<Session> {
  return openSession(source, {
    home: 'child',
    provider: args.ep === undefined ? 'auto' : text(args, 'ep'),
    requireProvider: flag(args, 'require-ep'),
    profile: true,
    signal: context.signal,
    timeoutMs: remaining(context),
  });
}

/** A session over a file that a user names: a model after a look at what a runtime would not tell of it, or a program, which is imported first. */
export async function openRunnable(path: string, args: Arguments, context: Context): Promise<Session> {
  if ((await graphFormatOf(path)) === 'pt2')
    return openBuilt((await openProgram(path, args)).model, undefined, args, context);
  await assertRunnable(path);
  return openChild(path, args, context);
}

/** A session over a graph that was made here: it goes through a file of its own, which weights are streamed to. */
export async function openBuilt(
  model: Model,
  folder: Folder | undefined,
  args: Arguments,
  context: Context,
): Promise<Session> {
  const temporary = await temporaryFolder();
  try {
    const path = join(temporary, 'model.onnx');
    await exportOnnx(model, path, { folder, externalData: true });
    return await openChild(path, args, context);
  } finally {
    await removeTemporary(temporary);
  }
}

/** Milliseconds until the deadline of `--timeout`. */
export function remaining({ deadline }: Context): number | undefined {
  return deadline === undefined ? undefined : Math.max(1, deadline - Date.now());
}

/** What `--json` says of the provider: asked for, chosen and why, and how many nodes ran where. */
export function providerJson(session: Session): Record<string, unknown> {
  const { requested, name, device, why } = session.provider;
  return {
    requested,
    name,
    ...(device === undefined ? {} : { device }),
    why,
    nodes: session.providers?.nodes ?? {},
    notes: session.notes,
  };
}

/** The provider in one line for people. */
export function providerText(session: Session): string {
  const { name, device, why } = session.provider;
  const nodes = Object.entries(session.providers?.nodes ?? {}).map(([provider, count]) => `${count} on ${provider}`);
  const where = device === undefined ? name : `${name}, ${device}`;
  const notes = session.notes.map((note) => `; ${note}`).join('');
  return `provider ${where} (${why})${nodes.length === 0 ? '' : `; nodes: ${nodes.join(', ')}`}${notes}`;
}
