import { describe, expect, it } from 'vitest';
import { coState, gibbsAttention, gibbsAttentionReading, gibbsWeights, logSumExp, solution } from '../../ops/index.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { parameter } from '../../src/graph/make.ts';
import type { Value } from '../../src/graph/value.ts';
import { hasPython, python } from '../support/python.ts';
import { bytesOf, type Case, normal, number32, runAll, worst } from './run.ts';

function is(value: Value | undefined): Value {
  if (value === undefined) throw new Error('missing value');
  return value;
}

/** Growth of memory, in MB, from the loaded session over three runs. */
const growth = `
import base64, json, sys
import numpy as np, onnxruntime as ort
case = json.load(sys.stdin)
o = ort.SessionOptions()
o.intra_op_num_threads = 1
o.add_session_config_entry("session.disable_prepacking", "1")
s = ort.InferenceSession(base64.b64decode(case["model"]), o, providers=["CPUExecutionProvider"])
x = np.random.default_rng(0).standard_normal((case["rows"], case["d"])).astype(np.float32)
def status(field):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(field)) / 1024
feeds = {"X": x, "epsilon": np.array(1, np.float32)}
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
for _ in range(3):
    s.run(None, feeds)
print(status("VmHWM") - before)
`;

describe.skipIf(!hasPython)('what the operators rely on in ONNX Runtime', () => {
  it('overloads of one function, masked and not and of several element types, live in one model', () => {
    const z = normal('float32', [3, 4], 1);
    const mask = fromNumbers('bool', [4], [1, 0, 1, 1]);
    const half = normal('float16', [3, 4], 1);
    const [got] = runAll([
      {
        inputs: { Z: z, Z16: half, mask, epsilon: number32(1) },
        outputs: (v) => ({
          plain: gibbsWeights(is(v.Z), is(v.epsilon)),
          masked: gibbsWeights(is(v.Z), is(v.epsilon), { mask: is(v.mask) }),
          half: gibbsWeights(is(v.Z16), is(v.epsilon)),
        }),
      } as Case,
    ]);
    const kept = Array.from(got?.plain ?? []).map((value, i) => (i % 4 === 1 ? 0 : value));
    const sums = [0, 1, 2].map((row) => kept.slice(row * 4, row * 4 + 4).reduce((a, b) => a + b, 0));
    expect(
      worst(
        got?.masked ?? [],
        kept.map((value, i) => value / (sums[i >> 2] ?? 1)),
      ),
    ).toBeLessThan(1e-6);
    expect(worst(got?.half ?? [], got?.plain ?? [])).toBeLessThan(2e-3);
  });

  it('the fast and the reading overload of attention give the same output', () => {
    const inputs = {
      Q: normal('float32', [1, 2, 3, 4], 1),
      K: normal('float32', [1, 2, 5, 4], 2),
      V: normal('float32', [1, 2, 5, 4], 3),
      epsilon: number32(2),
    };
    const [got] = runAll([
      {
        inputs,
        outputs: (v) => ({
          fast: gibbsAttention(is(v.Q), is(v.K), is(v.V), is(v.epsilon)),
          read: gibbsAttentionReading(is(v.Q), is(v.K), is(v.V), is(v.epsilon)).output,
        }),
      } as Case,
    ]);
    expect(worst(got?.fast ?? [], got?.read ?? [])).toBe(0);
  });

  it.skipIf(process.platform !== 'linux')('blocks keep one state: memory stays far below that of the logits', () => {
    const [rows, atoms, d] = [128, 131072, 8];
    const w = parameter('W', normal('float32', [atoms, d], 1));
    const b = parameter('b', normal('float32', [atoms], 2));
    const grown = (form: 'dense' | 'blocked'): number => {
      const model = bytesOf({
        inputs: { X: normal('float32', [rows, d], 3), epsilon: number32(1) },
        outputs: (v) => {
          const [F, P] = solution(is(v.X), w, b, is(v.epsilon), { form, blockSize: 4096 });
          return { F, P };
        },
      });
      return Number(python(growth, [], JSON.stringify({ model: Buffer.from(model).toString('base64'), rows, d })));
    };
    // The logits take 64 MB.
    expect(grown('blocked')).toBeLessThan(24);
    expect(grown('dense')).toBeGreaterThan(60);
  });

  it('weights far over one block give the same as one block', () => {
    const [rows, atoms, d] = [3, 70000, 2];
    const w = parameter('W', normal('float32', [atoms, d], 1));
    const b = parameter('b', normal('float32', [atoms], 2));
    const [got] = runAll([
      {
        inputs: { X: normal('float32', [rows, d], 3), epsilon: number32(0.5) },
        outputs: (v) => ({
          chosen: logSumExp(is(v.X), w, b, is(v.epsilon)),
          dense: logSumExp(is(v.X), w, b, is(v.epsilon), { form: 'dense' }),
          P: coState(is(v.X), w, b, is(v.epsilon)),
          denseP: coState(is(v.X), w, b, is(v.epsilon), { form: 'dense' }),
        }),
      } as Case,
    ]);
    expect(worst(got?.chosen ?? [], got?.dense ?? [], 10)).toBeLessThan(1e-6);
    expect(worst(got?.P ?? [], got?.denseP ?? [], 10)).toBeLessThan(1e-6);
  });
});
