import { expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers, toNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { dropout } from '../../src/layers/dropout.ts';
import { linear } from '../../src/layers/linear.ts';
import { fresh } from '../../src/layers/module.ts';
import { network } from '../../src/layers/network.ts';
import { ran } from './judge.ts';

const training = (on: boolean) => fromNumbers('bool', [], [on ? 1 : 0]);
const ones = fromNumbers('float32', [400, 5], Array<number>(2000).fill(1));

function model() {
  const net = fresh();
  const x = input('x', 'float32', ['batch', 5]);
  const flag = input('training', 'bool', []);
  const y = dropout(net.at('drop'), x, { p: 0.25, training: flag });
  return network(net, { inputs: [x, flag], outputs: { y, z: linear(net.at('a'), y, { out: 2 }) } }).model;
}

it('drops entries in training, scales the others, and is the identity otherwise', async () => {
  const y = async (on: boolean) => {
    const outputs = await ran(
      model(),
      new Map([
        ['x', ones],
        ['training', training(on)],
      ]),
    );
    return [...toNumbers(outputs.get('y') ?? ones)];
  };
  expect(await y(false)).toEqual(Array<number>(2000).fill(1));
  const dropped = await y(true);
  expect(new Set(dropped)).toEqual(new Set([0, Math.fround(4 / 3)]));
  expect(Math.abs(dropped.filter((value) => value === 0).length / 2000 - 0.25)).toBeLessThan(0.05);
});

it('lets the way back see what was dropped', async () => {
  const graph = costate(model(), { of: ['y'], wrt: ['name:x'], seed: 'ones' });
  const outputs = await ran(
    graph.model,
    new Map([
      ['x', ones],
      ['training', training(true)],
    ]),
  );
  expect([...toNumbers(outputs.get('costate_x') ?? ones)]).toEqual([...toNumbers(outputs.get('y') ?? ones)]);
  expect(new Set(toNumbers(outputs.get('y') ?? ones)).size).toBe(2);
});
