import { byteLengthOf } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { openFile } from '../files/node/file.ts';
import { elementCount } from '../files/tensor.ts';
import { sitesOf } from '../reading/sites.ts';
import { describeProgram } from '../torch/describe.ts';
import type { ImportedProgram } from '../torch/program.ts';
import type { Outcome } from './command.ts';
import { operatorCounts } from './describe.ts';
import { siteJson, siteTable } from './inspect-model.ts';
import { describedText, signature } from './model-files.ts';
import { table } from './output.ts';
import { openProgram } from './program-files.ts';

/**
 * Describes a program of torch.export: what it takes and gives, its weights, the operators it is traced in, and what it is as a graph. What cannot be lowered is a problem;
 * the rest is described all the same.
 */
export async function inspectProgram(path: string): Promise<Outcome> {
  const described = await describeProgram(await openFile(path));
  const { program, problem } = await lowered(path);
  const parameters = described.parameters.map(({ name, dtype, shape }) => ({
    name,
    dtype,
    shape,
    bytes: byteLengthOf(dtype, elementCount(shape)),
  }));
  const sites = program === undefined ? [] : sitesOf(program.model);
  const { inputs, outputs } = program === undefined ? { inputs: [], outputs: [] } : signature(program.model);
  const operators = program === undefined ? {} : operatorCounts(program.model);
  const problems =
    problem === undefined ? [] : [{ code: problem.code, message: problem.message, where: problem.where }];
  const bytes = parameters.reduce((sum, parameter) => sum + parameter.bytes, 0);
  const parameterCount = parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return {
    json: {
      format: 'pt2',
      producer: `PyTorch ${described.torchVersion}`,
      methods: described.methods,
      inputs,
      outputs,
      parameters,
      parameterCount,
      aten: described.operators,
      operators,
      functions: [],
      sites: sites.map(siteJson),
      ranges: described.ranges,
      problems,
    },
    text: [
      `${path}: program of PyTorch ${described.torchVersion}${described.methods.length > 1 ? `, one of ${described.methods.join(', ')}` : ''}`,
      'inputs',
      ...inputs.map((input) => `  ${describedText(input)}`),
      'outputs',
      ...outputs.map((output) => `  ${describedText(output)}`),
      `parameters: ${parameters.length} tensors, ${parameterCount} numbers, ${bytes} bytes`,
      ...table(parameters.slice(0, 40).map((p) => [`  ${p.name}`, p.dtype, `[${p.shape.join(', ')}]`])),
      ...(parameters.length > 40 ? [`  ... ${parameters.length - 40} more (--json lists all)`] : []),
      `ATen: ${Object.entries(described.operators)
        .map(([name, count]) => `${count} ${name}`)
        .join(', ')}`,
      `operators: ${Object.entries(operators)
        .map(([name, count]) => `${count} ${name}`)
        .join(', ')}`,
      ...Object.entries(described.ranges).map(
        ([name, { min, max }]) => `size ${name}: from ${min}${max === undefined ? '' : ` to ${max}`}`,
      ),
      ...(sites.length === 0 ? ['HJ sites: none'] : ['HJ sites', ...siteTable(sites)]),
      ...problems.map(({ code, message }) => `problem ${code}: ${message}`),
    ],
  };
}

async function lowered(path: string): Promise<{ program?: ImportedProgram; problem?: HopfcoleError }> {
  try {
    return { program: await openProgram(path) };
  } catch (error) {
    if (error instanceof HopfcoleError) return { problem: error };
    throw error;
  }
}
