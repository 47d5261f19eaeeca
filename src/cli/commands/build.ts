import type { Command } from '../command.ts';
import { modelOptions, optionalNumber, outputOption, text } from '../options.ts';
import { table } from '../output.ts';

export const build: Command = {
  usage: 'build [spec]',
  describe: 'a network with fresh weights from a JSON specification of HJ layers',
  positionals: { spec: { describe: 'a JSON file; --schema prints its schema' } },
  options: {
    output: outputOption,
    schema: { type: 'boolean', default: false, describe: 'print the JSON Schema of SPEC' },
    seed: { type: 'number', default: 0, describe: 'seed of the weights', requiresArg: true },
    ...modelOptions,
  },
  example: 'hopfcole build examples/lse.json -o lse.onnx',
  async run(args) {
    const { specJsonSchema } = await import('../../layers/spec/spec.ts');
    if (args.schema === true) {
      const schema = specJsonSchema();
      return { json: { schema }, text: [JSON.stringify(schema, undefined, 2)] };
    }
    const { buildNetwork } = await import('../../layers/network.ts');
    const { readSpec } = await import('../spec-file.ts');
    const { describedText, saveModel, signature } = await import('../model-files.ts');
    const path = text(args, 'spec');
    const output = text(args, 'output');
    const seed = optionalNumber(args, 'seed', { integer: true, min: 0, max: 2 ** 31 - 1 }) ?? 0;
    const { model, readings } = buildNetwork(await readSpec(path), seed, {}, path);
    await saveModel(model, output, args);
    const { inputs, outputs } = signature(model);
    const parameters = model.graph.parameters.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
    return {
      json: { output, parameters, inputs, outputs, layers: readings },
      text: [
        ...table([
          ['layer', 'kind', 'status', 'Hamiltonian', 'viscosity'],
          ...readings.map((r) => [r.name, r.kind, r.status, r.hamiltonian, String(r.viscosity)]),
        ]),
        `inputs  ${inputs.map(describedText).join(', ')}`,
        `outputs ${outputs.map(describedText).join(', ')}`,
        `wrote ${output}`,
      ],
    };
  },
};
