import type { Tensor } from '../../files/tensor.ts';
import type { RunResult, Session } from '../../runtime/session.ts';
import type { Command, Context } from '../command.ts';
import { optionalNumber, outputOption, providerOptions, text } from '../options.ts';

export const run: Command = {
  usage: 'run <model>',
  describe: 'inference: one array per graph input in, one per graph output out',
  positionals: { model: { describe: 'an .onnx file, or a .pt2 program, which is imported on the way' } },
  options: {
    input: {
      type: 'string',
      describe: '.npz or .safetensors by input name; .npy, .csv or .parquet for one input',
      requiresArg: true,
    },
    output: outputOption,
    method: { type: 'string', describe: 'which program of a .pt2 that holds several', requiresArg: true },
    repeat: { type: 'number', describe: 'time N runs', requiresArg: true },
    ...providerOptions,
  },
  example: 'hopfcole run fixtures/digits/digits_lse.onnx --input fixtures/digits/test.npz -o f.npz --ep cpu',
  async run(args, context) {
    const path = text(args, 'model');
    const output = text(args, 'output');
    const repeat = optionalNumber(args, 'repeat', { integer: true, min: 1, max: 1_000_000 }) ?? 1;
    const { readInputs, writeOutputs, tensorFormat } = await import('../tensor-files.ts');
    const { openRunnable, providerJson, providerText } = await import('../session.ts');
    tensorFormat(output);
    const session = await openRunnable(path, args, context);
    try {
      const feeds = await readInputs(text(args, 'input'), session.inputs);
      const { last, times } = await timedRuns(session, feeds, repeat, context);
      await writeOutputs(output, last.outputs);
      const outputs = session.outputs.map(({ name, dtype }) => ({
        name,
        dtype,
        shape: last.outputs.get(name)?.shape ?? [],
      }));
      const [min, median, max] = quantiles(times);
      const shown =
        times.length === 1 ? `${ms(median)}` : `median ${ms(median)} (${ms(min)} to ${ms(max)}, ${times.length} runs)`;
      return {
        json: {
          output,
          outputs,
          ep: providerJson(session),
          milliseconds: median,
          ...(times.length === 1 ? {} : { repeat: { runs: times.length, min, median, max } }),
        },
        text: [
          ...outputs.map(({ name, dtype, shape }) => `${name}  ${dtype}[${shape.join(', ')}]`),
          `${shown}; ${providerText(session)}`,
          `wrote ${output}`,
        ],
      };
    } finally {
      await session.close();
    }
  },
};

async function timedRuns(
  session: Session,
  feeds: ReadonlyMap<string, Tensor>,
  repeat: number,
  context: Context,
): Promise<{ last: RunResult; times: number[] }> {
  const { signal, deadline } = context;
  const once = () =>
    session.run(feeds, { signal, timeoutMs: deadline === undefined ? undefined : Math.max(1, deadline - Date.now()) });
  let last = await once();
  const times = [last.milliseconds];
  if (repeat === 1) return { last, times };
  // The first run pays for allocation and profiling: it is the warm-up of the timed ones.
  times.length = 0;
  for (let i = 0; i < repeat; i++) {
    context.progress.update('running', i, repeat);
    last = await once();
    times.push(last.milliseconds);
  }
  return { last, times };
}

function quantiles(times: readonly number[]): [number, number, number] {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
  return [sorted[0] ?? 0, median, sorted.at(-1) ?? 0];
}

function ms(value: number): string {
  return `${value.toPrecision(3)} ms`;
}
