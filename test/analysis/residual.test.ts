import { describe, expect, it } from 'vitest';
import { residualChecks } from '../../src/analysis/residual-identities.ts';
import { fromNumbers, type Tensor } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { residualChains } from '../../src/reading/residual.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import type { Session } from '../../src/runtime/session.ts';
import { normal } from '../ops/run.ts';

const open = (made: Model): Promise<Session> =>
  openSession(encodeModel(toProto(made)), { provider: 'cpu', home: 'process' });

function feeds(session: Session): Map<string, Tensor> {
  return new Map(
    session.inputs.map(({ name, dtype, shape }) => {
      const sizes = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 2));
      const count = sizes.reduce((a, b) => a * b, 1);
      return [
        name,
        fromNumbers(
          dtype,
          sizes,
          Float64Array.from({ length: count }, (_, i) => Math.sin(1 + 2.1 * i)),
        ),
      ];
    }),
  );
}

/** x + h tanh(x W + b), so many layers, with weights of their own or shared. */
function flow(layers: number, tied: boolean, step = 0.3): Model {
  const x = input('x', 'float32', ['batch', 5]);
  const weights = (layer: number): readonly [Value, Value] => [
    parameter(`layers.${layer}.weight`, normal('float32', [5, 5], layer + 1, 0.7)),
    parameter(`layers.${layer}.bias`, normal('float32', [5], layer + 50, 0.3)),
  ];
  const shared = weights(0);
  let state: Value = op.tanh(x);
  for (let layer = 0; layer < layers; layer++) {
    const [w, b] = tied ? shared : weights(layer);
    const branch = op.tanh(op.add(op.matMul(state, w), b));
    state = op.add(state, op.mul(branch, op.constant({ valueFloat: step })));
  }
  const head = parameter('head.weight', normal('float32', [5, 1], 99));
  return model({ inputs: [x], outputs: { y: op.matMul(op.sin(state), head) } });
}

describe('residual chains', () => {
  it('are found, tied or not, and only where each state is the one way through', () => {
    expect(residualChains(flow(4, true).graph)).toMatchObject([{ tied: true, steps: { length: 4 } }]);
    expect(residualChains(flow(3, false).graph)).toMatchObject([{ tied: false, steps: { length: 3 } }]);
    const x = input('x', 'float32', [2, 3]);
    const a = op.add(x, op.tanh(x));
    const b = op.add(a, op.sin(a));
    // The first state is read again behind the chain.
    expect(residualChains(model({ inputs: [x], outputs: { y: op.mul(b, a) } }).graph)).toEqual([]);
  });

  it('keep <p, dx> over depth, and their Hamiltonian to O(h) where layers are shared', async () => {
    const [product, energy] = await residualChecks(flow(4, true), open, feeds);
    expect(product).toMatchObject({ ok: true, pathB: expect.stringContaining('float64') as string });
    expect(product?.error).toBeLessThan(1e-7);
    expect(energy).toMatchObject({ ok: true, statement: expect.stringMatching(/order (0\.[6-9]|1\.[0-4])/) as string });
  });

  it('only report the drift of layers with weights of their own', async () => {
    const checks = await residualChecks(flow(3, false), open, feeds);
    expect(checks.map(({ ok }) => ok)).toEqual([true, true]);
    expect(checks[1]?.statement).toMatch(/reported only/);
  });
});
