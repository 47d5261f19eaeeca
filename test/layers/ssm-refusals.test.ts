import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { mamba } from '../../src/layers/models/mamba.ts';
import { s4Classifier } from '../../src/layers/models/ssm-classifier.ts';
import { fresh } from '../../src/layers/module.ts';
import { buildNetwork, importNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { linearRecurrence } from '../../src/layers/ssm/linear-recurrence.ts';
import { s4d } from '../../src/layers/ssm/s4d.ts';
import { mambaMixer } from '../../src/layers/ssm/selective-scan.ts';
import { stateDictOf } from '../../src/layers/state-dict.ts';

const zeros = (shape: readonly number[]) =>
  fromNumbers('float32', shape, new Float64Array(shape.reduce((a, b) => a * b, 1)));

function refusal(make: () => unknown): HopfcoleError {
  try {
    make();
  } catch (error) {
    if (error instanceof HopfcoleError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const sequence = (...shape: (number | string)[]) => input('x', 'float32', shape);
const tokens = (...shape: (number | string)[]) => input('tokens', 'int64', shape);
const x = sequence('batch', 'time', 4);
const net = () => fresh().at('net');

describe('what does not fit', () => {
  it.each<[string, () => unknown, string, RegExp]>([
    [
      'no steps for S4D',
      () => s4d(net(), sequence('batch', 0, 4)),
      'SHAPE_MISMATCH',
      /layer 'net' \(s4d\) expects a sequence of at least one step, but input 'x' gives length 0/,
    ],
    [
      'no steps for a mixer',
      () => mambaMixer(net(), sequence('batch', 0, 4)),
      'SHAPE_MISMATCH',
      /layer 'net' \(selective-scan\) expects a sequence of at least one step, but input 'x' gives length 0/,
    ],
    [
      'no tokens',
      () => mamba(net(), tokens('batch', 0), { vocabulary: 3, features: 4, layers: 1 }),
      'SHAPE_MISMATCH',
      /layer 'net' \(mamba\) expects a sequence of at least one token, but input 'tokens' gives \[batch, 0\]/,
    ],
    ['an odd state', () => s4d(net(), x, { state: 7 }), 'BAD_SPEC', /\(s4d\) expects an even state size, got 7/],
    ['no batch', () => s4d(net(), sequence('time', 4)), 'SHAPE_MISMATCH', /expects the axes \[batch, time, features\]/],
    [
      'other features',
      () => s4d(net(), x, { in: 5 }),
      'SHAPE_MISMATCH',
      /layer 'net' \(s4d\) expects 5 input features, but input 'x' gives 4/,
    ],
    [
      'a state without pairs',
      () => s4d(net(), x, { state: 8, initial: input('h', 'float32', ['batch', 4, 4]) }),
      'SHAPE_MISMATCH',
      /expects a state of the shape \[batch, 4, 4, 2\], but input 'h' gives \[batch, 4, 4\]/,
    ],
    [
      'states that do not fit',
      () => {
        const past = {
          conv: input('conv', 'float32', ['batch', 8, 4]),
          ssm: input('ssm', 'float32', ['batch', 8, 16]),
        };
        return mambaMixer(net(), x, { past });
      },
      'SHAPE_MISMATCH',
      /expects a state of the shape \[batch, 8, 3\], but input 'conv' gives \[batch, 8, 4\]/,
    ],
    ['no convolution', () => mambaMixer(net(), x, { conv: 1 }), 'BAD_SPEC', /convolution of at least 2 steps, got 1/],
    ['no depth', () => s4Classifier(net(), x, { features: 4, classes: 2 }), 'BAD_SPEC', /does not say "layers"/],
    ['no classes', () => s4Classifier(net(), x, { features: 4, layers: 1 }), 'BAD_SPEC', /does not say "classes"/],
    ['no features', () => s4Classifier(net(), x, { layers: 1, classes: 2 }), 'BAD_SPEC', /does not say "features"/],
    [
      'tokens of floats',
      () => mamba(net(), sequence('batch', 'time'), { vocabulary: 3, features: 4, layers: 1 }),
      'DTYPE_MISMATCH',
      /expects int64 or int32 indices/,
    ],
    [
      'a factor of another rank',
      () => linearRecurrence(net(), { re: x }, { a: { re: sequence('time', 4) } }),
      'SHAPE_MISMATCH',
      /expects a of the rank of b, or without batch and time, got \[time, 4\]/,
    ],
    [
      'a complex factor of a real input',
      () => linearRecurrence(net(), { re: x }, { a: { re: sequence(4), im: sequence(4) } }),
      'BAD_ARGUMENT',
      /expected b with an imaginary part/,
    ],
  ])('%s', (_, make, code, message) => {
    const error = refusal(make);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  it('one state of a mixer without the other', () => {
    const spec = parseSpec({
      inputs: [
        { name: 'x', shape: ['batch', 'time', 4] },
        { name: 'ssm', shape: ['batch', 8, 16] },
      ],
      layers: [{ kind: 'selective-scan', from: ['x', 'ssm'] }],
    });
    const error = refusal(() => buildNetwork(spec, 0));
    expect(error.message).toMatch(/expects both states, conv and ssm, got one/);
    expect(error.where?.at).toBe('$.layers[0]');
  });

  it('a checkpoint of other shapes and names, all at once', () => {
    const spec = parseSpec({
      inputs: [{ name: 'x', shape: ['batch', 'time', 4] }],
      layers: [{ kind: 's4d', name: 's4' }],
    });
    const weights = stateDictOf(buildNetwork(spec, 0).model);
    const changed = new Map(weights);
    changed.set('s4.kernel.A_imag', zeros([4, 31]));
    changed.set('s4.kernel.log_dt', zeros([5]));
    const misshapen = refusal(() => importNetwork(spec, changed));
    expect(misshapen.code).toBe('SHAPE_MISMATCH');
    expect(misshapen.message).toMatch(/s4\.kernel\.A_imag/);
    expect(misshapen.message).toMatch(/s4\.kernel\.log_dt/);
    const lacking = new Map(weights);
    lacking.delete('s4.D');
    lacking.delete('s4.kernel.C');
    const missing = refusal(() => importNetwork(spec, lacking));
    expect(missing.code).toBe('MISSING_PARAMETERS');
    expect(missing.message).toMatch(/s4\.D/);
    expect(missing.message).toMatch(/s4\.kernel\.C/);
  });

  it('a checkpoint whose C is not of pairs', () => {
    const spec = parseSpec({
      inputs: [{ name: 'x', shape: ['batch', 'time', 4] }],
      layers: [{ kind: 's4d', name: 's4' }],
    });
    const weights = new Map(stateDictOf(buildNetwork(spec, 0).model));
    weights.set('s4.kernel.C', zeros([4, 32]));
    expect(refusal(() => importNetwork(spec, weights)).message).toMatch(/s4\.kernel\.C.*\[4, 32, 2\].*\[4, 32\]/s);
  });
});
