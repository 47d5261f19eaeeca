import type { Changed } from '../costate/parameters/changed.ts';
import type { Model } from '../graph/graph.ts';
import { everyNode } from '../graph/walk.ts';
import { toProto } from '../graph/wire/write.ts';
import { equalMessages } from '../onnx/equal.ts';
import { type CleaningReport, cleaned, cleaningReport, exporterChanges } from './clean-model.ts';
import type { Arguments, Outcome } from './command.ts';
import { operatorCounts } from './describe.ts';
import { assertSound, describedText, type OpenedModel, openModel, saveModel, signature } from './model-files.ts';
import { flag } from './options.ts';

/**
 * Writes an ONNX file of another exporter as ours: message for message as it was, unless another form is asked for (`--opset`, `--inline` ...), or
 * cleaned where `--clean` is said. Says of every parameter that is not what its name says what the exporter made of it.
 * @throws what reading, checking, cleaning and writing throw; no file is written then.
 */
export async function importOnnx(path: string, output: string, args: Arguments): Promise<Outcome> {
  const opened = await openModel(path);
  await assertSound(opened, path);
  const clean = flag(args, 'clean') ? await cleaned(opened.model, args) : undefined;
  const model = clean?.model ?? opened.model;
  const changed = clean?.changed ?? (await exporterChanges(opened.model, args));
  await saveModel(model, output, args, opened.folder);
  const unchanged = clean === undefined && isUnchanged(opened, args);
  const report = clean === undefined ? undefined : cleaningReport(opened.model, clean);
  const { inputs, outputs } = signature(model);
  const parameters = parametersOf(model);
  return {
    json: {
      output,
      format: 'onnx',
      recognised: null,
      operators: operatorCounts(model),
      parameters,
      changed,
      inputs,
      outputs,
      unchanged,
      ...(report === undefined ? {} : { cleaned: report }),
    },
    text: [
      `onnx: ${parameters.used.length} parameters used${parameters.unused.length === 0 ? '' : `, ${parameters.unused.length} unused`}`,
      ...told(changed, report),
      `inputs  ${inputs.map(describedText).join(', ')}`,
      `outputs ${outputs.map(describedText).join(', ')}`,
      `wrote ${output}${unchanged ? ': nothing is changed, the messages are equal' : ''}`,
    ],
  };
}

/** Whether what is written says what was read, field by field. Weights that lay in files beside the model are in it afterwards. */
function isUnchanged({ proto, model }: OpenedModel, args: Arguments): boolean {
  if (args.opset !== undefined || args.ir !== undefined || flag(args, 'inline') || flag(args, 'external-data'))
    return false;
  const isExternal = (proto?.graph?.initializer ?? []).some(({ externalData }) => (externalData ?? []).length > 0);
  return !isExternal && proto !== undefined && equalMessages(toProto(model), proto);
}

function parametersOf({ graph }: Model): { used: string[]; unused: string[]; missing: string[] } {
  const read = new Set(graph.outputs.map(({ value }) => value));
  for (const { inputs } of everyNode(graph)) for (const value of inputs) if (value !== undefined) read.add(value);
  const named = (of: boolean) =>
    graph.parameters.flatMap((value) => (value.name !== undefined && read.has(value) === of ? [value.name] : []));
  return { used: named(true), unused: named(false), missing: [] };
}

function told(changed: readonly Changed[], report: CleaningReport | undefined): readonly string[] {
  const passes = report?.passes.map(({ pass, nodes }) => `  ${pass}: ${nodes.before} -> ${nodes.after}`) ?? [];
  return [
    ...changed.map(({ name, why }) => `changed ${name}: ${why}`),
    ...(report === undefined ? [] : [`nodes ${report.nodes.before} -> ${report.nodes.after}`, ...passes]),
  ];
}
