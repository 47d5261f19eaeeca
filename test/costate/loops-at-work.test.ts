import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { everyNode, subgraphsOf } from '../../src/graph/walk.ts';
import { normal } from '../ops/run.ts';
import { hasPython } from '../support/python.ts';
import { ran } from './run.ts';

const int = (value: number): Value => op.constant({ valueInt: value });

/** The operators of each body, the forward ones first. */
function bodies(graph: Graph): readonly (readonly string[])[] {
  return graph.nodes.flatMap((node) => subgraphsOf(node).map(({ nodes }) => nodes.map(({ opType }) => opType)));
}

function recurrence(dtype: 'float32' | 'float16', turns: number) {
  const [x, h, w, s] = [
    input('x', dtype, [turns, 2, 8]),
    input('h', dtype, [2, 8]),
    input('w', dtype, [8, 8]),
    input('s', dtype, []),
  ];
  const [last] = op.scan([h], [x], ([state], [row]) => ({
    carried: [op.tanh(op.add(op.mul(op.matMul(state as Value, w), s), row as Value))],
  }));
  return model({ inputs: [x, h, w, s], outputs: { y: last as Value } });
}

describe('the way back through a loop', () => {
  it('computes nothing again that cost something, and sums weights behind it', () => {
    const { graph } = costate(recurrence('float32', 5)).model;
    const [forward, back] = bodies(graph);
    expect(forward?.filter((name) => name !== 'Identity')).toEqual(['MatMul', 'Mul', 'Add', 'Tanh']);
    expect(back).not.toContain('Tanh');
    expect(back?.filter((name) => name === 'MatMul' || name === 'Gemm')).toHaveLength(1);
    expect(graph.nodes.filter(({ opType }) => opType === 'Gemm')).toHaveLength(1);
  });

  it('leaves a loop that nothing is asked of as it is', () => {
    const [x, n] = [input('x', 'float32', [3]), input('n', 'int64', [])];
    const [grown] = op.loop(n, undefined, [x], (_t, _c, state) => ({
      carried: [op.concat([state as Value, x], { axis: 0 })],
    }));
    const made = model({ inputs: [x, n], outputs: { y: op.mul(x, x), z: grown as Value } });
    const { graph } = costate(made, { of: ['y'] }).model;
    const loops = graph.nodes.filter(({ opType }) => opType === 'Loop');
    expect(loops.map(({ outputs, metadata }) => [outputs.length, metadata.size])).toEqual([[1, 0]]);
  });

  it('keeps no mark of what was recorded', () => {
    const { graph } = costate(recurrence('float32', 5), { order: 2 }).model;
    expect([...everyNode(graph)].filter(({ metadata }) => metadata.size > 0)).toEqual([]);
  });

  it('names a list that the turns read', () => {
    const [x, n] = [input('x', 'float32', [3]), input('n', 'int64', [])];
    const [list] = op.loop(n, undefined, [op.sequenceConstruct([x])], (_t, _c, list) => {
      const last = op.sequenceAt(list as Value, int(0));
      return { carried: [op.sequenceInsert(list as Value, op.sin(last))] };
    });
    const made = model({ inputs: [x, n], outputs: { y: op.sequenceAt(list as Value, int(-1)) } });
    expect(() => costate(made)).toThrow(/no co-state of Loop: .*sequence/);
  });
});

describe.skipIf(!hasPython)('loops in ONNX Runtime', () => {
  it('sum over turns in float32 where the numbers are of half precision', () => {
    const turns = 400;
    const [x, h, w] = [
      normal('float32', [turns, 2, 8], 1),
      normal('float32', [2, 8], 2),
      normal('float32', [8, 8], 3, 0.2),
    ];
    const s = fromNumbers('float32', [], [0.5]);
    const half = Object.fromEntries(
      Object.entries({ x, h, w, s }).map(([name, { shape, bytes }]) => [
        name,
        fromNumbers('float16', shape, [...new Float32Array(bytes.slice().buffer)]),
      ]),
    );
    const made = (['float32', 'float16'] as const).map(
      (dtype) => costate(recurrence(dtype, turns), { wrt: ['w', 's', 'h'] }).model,
    );
    const back = made[1]?.graph.nodes.find(
      ({ opType }, index, all) => opType === 'Scan' && all.slice(0, index).some((node) => node.opType === 'Scan'),
    );
    // The sum of the scalar's co-states is carried; the weight's is made behind the loop.
    expect(back?.inputs.filter((value) => value?.dtype === 'float32')).toHaveLength(1);
    const [single, low] = ran([
      { model: made[0] as (typeof made)[number], inputs: { x, h, w, s } },
      { model: made[1] as (typeof made)[number], inputs: half },
    ]);
    for (const name of ['costate_w', 'costate_s', 'costate_h']) {
      const most = Math.max(1, ...(single?.[name] ?? []).map(Math.abs));
      single?.[name]?.forEach((value, at) => {
        expect(Math.abs(value - (low?.[name]?.[at] ?? Number.NaN)) / most).toBeLessThan(2e-2);
      });
    }
  });

  it('go back over the random numbers that they drew', () => {
    const [h, n] = [input('h', 'float32', [4]), input('n', 'int64', [])];
    const [last] = op.loop(n, undefined, [h], (_t, _c, state) => ({
      carried: [op.mul(state as Value, op.randomUniformLike(state as Value, { low: 0.5, high: 2 }))],
    }));
    const made = costate(model({ inputs: [h, n], outputs: { y: last as Value } })).model;
    const given = [1, 2, -3, 0.5];
    const [found] = ran([
      { model: made, inputs: { h: fromNumbers('float32', [4], given), n: fromNumbers('int64', [], [3]) } },
    ]);
    given.forEach((value, at) => {
      expect(found?.costate_h?.[at]).toBeCloseTo((found?.y?.[at] ?? 0) / value, 5);
    });
  });

  it('give the co-state to the first state where there is no turn', () => {
    const [h, w, n] = [input('h', 'float32', ['B', 'D']), input('w', 'float32', [2, 2]), input('n', 'int64', [])];
    const [last] = op.loop(n, undefined, [h], (_t, _c, state) => ({
      carried: [op.tanh(op.matMul(state as Value, w))],
    }));
    const made = costate(model({ inputs: [h, w, n], outputs: { y: last as Value } })).model;
    const [found] = ran([
      {
        model: made,
        inputs: { h: normal('float32', [3, 2], 1), w: normal('float32', [2, 2], 2), n: fromNumbers('int64', [], [0]) },
      },
    ]);
    expect(found?.costate_h).toEqual([1, 1, 1, 1, 1, 1]);
    expect(found?.costate_w).toEqual([0, 0, 0, 0]);
  });
});
