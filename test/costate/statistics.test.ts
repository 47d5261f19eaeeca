import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import type { DType } from '../../src/files/dtype.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, makeNode } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';

/** A normalisation as exporters write it: with one output. */
function normalized(x: Value, scale: Value): Value {
  const { outputs } = makeNode({ opType: 'LayerNormalization', version: 17, inputs: [x, scale], outputCount: 1 });
  return outputs[0] as Value;
}

function network(dtype: DType): Model {
  const [x, scale] = [input('x', dtype, ['n', 8]), input('scale', dtype, [8])];
  return model({ inputs: [x, scale], outputs: { y: normalized(x, scale) } });
}

const operators = (made: Model): string[] => made.graph.nodes.map(({ opType }) => opType);
const normalization = (made: Model) => made.graph.nodes.find(({ opType }) => opType === 'LayerNormalization');

describe('the statistics of the forward pass', () => {
  it('serve the co-state of a float32 network', () => {
    const made = costate(network('float32'), { wrt: ['x'] }).model;
    expect(normalization(made)?.outputs.length).toBe(3);
    expect(operators(made)).not.toContain('Sqrt');
  });

  it('are not exact enough for a float64 network', () => {
    const made = costate(network('float64'), { wrt: ['x'] }).model;
    expect(normalization(made)?.outputs.length).toBe(1);
    expect(operators(made)).toContain('Sqrt');
  });

  it('are let go where nothing uses them', () => {
    const x = input('x', 'float32', [2, 8]);
    const plain = op.mul(x, x);
    const given = model({ inputs: [x], outputs: { y: plain, z: normalized(x, op.abs(x)) } });
    const made = costate(given, { wrt: ['x'], of: ['y'] }).model;
    expect(normalization(made)?.outputs.length).toBe(1);
  });
});
