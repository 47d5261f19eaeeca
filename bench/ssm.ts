/**
 * S4D and Mamba's selective scan: every form against PyTorch eager (S4D by its kernel and FFT, the scan step after step as Hugging Face's without
 * compiled kernels). float32, 2 threads, dynamic lengths: medians of interleaved runs, forward or with the co-state of all parameters.
 * From the repository: `npm run bench -- ssm [--rounds 7] [--features 128] [--batch 1] [--costate 1]`.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { costate } from '../src/costate/costate.ts';
import { input } from '../src/graph/make.ts';
import { model } from '../src/graph/model.ts';
import type { Value } from '../src/graph/value.ts';
import { toProto } from '../src/graph/wire/write.ts';
import { fresh } from '../src/layers/module.ts';
import { s4d, ssmForms } from '../src/layers/ssm/s4d.ts';
import { selectiveForms } from '../src/layers/ssm/selective.ts';
import { mambaMixer } from '../src/layers/ssm/selective-scan.ts';
import { encodeModel } from '../src/onnx/write.ts';

const threads = 2;
const python = process.env.HOPFCOLE_PYTHON ?? join(process.cwd(), '.venv/bin/python');
const [rounds, features, batch] = [option('rounds', 7), option('features', 128), option('batch', 1)];
const backward = option('costate', 0) === 1;
/** Where a form keeps every state of every step, as many of them fit in memory. */
const mostStates = 2 ** 25;

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function session(make: (x: Value) => Value): Promise<InferenceSession> {
  const x = input('x', 'float32', ['batch', 'time', features]);
  const forward = model({ inputs: [x], outputs: { output: make(x) } });
  const made = backward ? costate(forward, { wrt: ['all'] }).model : forward;
  return await InferenceSession.create(encodeModel(toProto(made)), { intraOpNumThreads: threads });
}

const layers = {
  s4d: ssmForms.map((form) => [form, (x: Value) => s4d(fresh({ seed: 1 }), x, { form, state: 64 }).output] as const),
  mixer: selectiveForms.map(
    (form) => [form, (x: Value) => mambaMixer(fresh({ seed: 1 }), x, { form }).output] as const,
  ),
};

const child = spawn(
  python,
  ['bench/ssm_torch.py', String(features), String(threads), backward ? 'backward' : 'forward'],
  {
    stdio: ['pipe', 'pipe', 'inherit'],
  },
);
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

console.log(
  `${features} features, batch ${batch}, ${threads} threads, ${backward ? 'with co-state' : 'forward'}, medians of ${rounds} interleaved rounds, milliseconds`,
);
for (const [kind, forms] of Object.entries(layers)) {
  const sessions = await Promise.all(forms.map(async ([form, make]) => [form, await session(make)] as const));
  for (const steps of [1, 64, 256, 1024]) {
    const x = new OrtTensor('float32', new Float32Array(batch * steps * features).fill(0.1), [batch, steps, features]);
    const fitting = sessions.filter(([form]) => form !== 'associative' || batch * steps * features * 32 <= mostStates);
    const contenders = [
      ...fitting.map(([form, own]) => [form as string, () => own.run({ x })] as const),
      [
        'PyTorch',
        async () => {
          child.stdin.write(`${kind} ${batch} ${steps}\n`);
          return await lines.next();
        },
      ] as const,
    ];
    const times = new Map<string, number[]>(contenders.map(([name]) => [name, []]));
    for (let round = -2; round < rounds; round++)
      for (const [name, run] of contenders) {
        const start = performance.now();
        await run();
        if (round >= 0) times.get(name)?.push(performance.now() - start);
      }
    const first = median(times.get('blocks') ?? []);
    const all = [...times].map(
      ([name, taken]) => `${name} ${median(taken).toFixed(2)} (${(median(taken) / first).toFixed(2)})`,
    );
    console.log(`${kind} T ${steps}: ${all.join('  ')}`);
  }
  for (const [, own] of sessions) await own.release();
}
child.stdin.end();
