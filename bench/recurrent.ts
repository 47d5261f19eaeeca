/**
 * RNN, GRU and LSTM: one ONNX operator per layer against the explicit Scan of the Hamilton-Jacobi step and PyTorch eager. float32, 2 threads,
 * T = 64, input and hidden 128: medians of interleaved runs, forward, and with the co-state of all parameters.
 * From the repository: `npm run bench -- recurrent [--rounds 15] [--hidden 128] [--steps 64]`.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { costate } from '../src/costate/costate.ts';
import type { Model } from '../src/graph/graph.ts';
import { input } from '../src/graph/make.ts';
import { model } from '../src/graph/model.ts';
import { toProto } from '../src/graph/wire/write.ts';
import { fresh } from '../src/layers/module.ts';
import type { RecurrentForm } from '../src/layers/recurrent/options.ts';
import { gru, lstm, rnn } from '../src/layers/recurrent/recurrent.ts';
import { encodeModel } from '../src/onnx/write.ts';

const threads = 2;
const python = process.env.HOPFCOLE_PYTHON ?? join(process.cwd(), '.venv/bin/python');
const [rounds, hidden, steps] = [option('rounds', 15), option('hidden', 128), option('steps', 64)];
const layers = { rnn, gru, lstm } as const;
type Kind = keyof typeof layers;

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function network(kind: Kind, form: RecurrentForm): Model {
  const root = fresh({ seed: 1 });
  const x = input('x', 'float32', ['batch', 'time', hidden]);
  const { output } = layers[kind](root.at(kind), x, { hidden, form });
  return model({ inputs: [x], outputs: { output } });
}

async function session(made: Model): Promise<InferenceSession> {
  return await InferenceSession.create(encodeModel(toProto(made)), { intraOpNumThreads: threads });
}

/** Milliseconds of one run. */
async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

class Torch {
  private readonly child = spawn(
    python,
    [join(process.cwd(), 'bench/recurrent_torch.py'), String(hidden), String(steps), String(threads)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  private readonly lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();

  async time(kind: Kind, batch: number, backward: boolean): Promise<number> {
    this.child.stdin.write(`${kind} ${batch} ${backward ? 'backward' : 'forward'}\n`);
    return Number((await this.lines.next()).value);
  }

  end(): void {
    this.child.stdin.end();
  }
}

const torch = new Torch();
console.log(
  `T = ${steps}, in = hidden = ${hidden}, ${threads} threads, medians of ${rounds} interleaved rounds, milliseconds`,
);
for (const backward of [false, true])
  for (const kind of ['rnn', 'gru', 'lstm'] as const) {
    const graphs = (['operator', 'scan'] as const).map((form) => {
      const made = network(kind, form);
      return backward ? costate(made, { wrt: ['all'] }).model : made;
    });
    const sessions = await Promise.all(graphs.map(session));
    for (const batch of [1, 32]) {
      const x = new OrtTensor('float32', new Float32Array(batch * steps * hidden).fill(0.1), [batch, steps, hidden]);
      const contenders = [
        ...sessions.map((own) => () => timed(() => own.run({ x }))),
        () => torch.time(kind, batch, backward),
      ];
      const times = contenders.map((): number[] => []);
      for (let round = -3; round < rounds; round++)
        for (const [index, run] of contenders.entries()) {
          const took = await run();
          if (round >= 0) times[index]?.push(took);
        }
      const [operator = 0, scan = 0, eager = 0] = times.map(median);
      const what = `${kind} batch ${batch} ${backward ? 'with co-state' : 'forward'}`;
      console.log(
        `${what.padEnd(28)} operator ${operator.toFixed(2)}  scan ${scan.toFixed(2)} (factor ${(scan / operator).toFixed(2)})  ` +
          `PyTorch ${eager.toFixed(2)} (${(eager / operator).toFixed(2)} of the operator, ${(eager / scan).toFixed(2)} of the scan)`,
      );
    }
    for (const own of sessions) await own.release();
  }
torch.end();
