import * as op from '../../src/graph/op.ts';
import { binary, get, kinked, scalar, tensor, unary } from './cases.ts';
import { away, type Case, judged, whole } from './judge.ts';

const choices: readonly Case[] = [
  binary('Max', (a, b) => op.max([a, b]), 'torch.maximum(a, b)', [2, 3], [3]),
  binary('Min', (a, b) => op.min([a, b]), 'torch.minimum(a, b)', [2, 3], [2, 1]),
  binary(
    'Max with ties',
    (a, b) => op.max([a, b]),
    'torch.maximum(a, b)',
    tensor([3], [1, 2, 3]),
    tensor([3], [1, 3, 2]),
    kinked,
  ),
  binary(
    'Min with ties',
    (a, b) => op.min([a, b]),
    'torch.minimum(a, b)',
    tensor([3], [1, 2, 3]),
    tensor([], [2]),
    kinked,
  ),
  unary(
    'Max with a number, and a root',
    (x) => op.sqrt(op.max([x, scalar(0, x)])),
    'torch.maximum(x, torch.zeros(())).sqrt()',
    tensor([3], [-1, 2, -3]),
  ),
  { name: 'Max of one', inputs: { a: [2, 3] }, build: (v) => op.max([op.exp(get(v, 'a'))]), torch: 'a.exp()' },
  {
    name: 'Max of four',
    inputs: { a: [2, 3], b: [3], c: [2, 1], d: [] },
    build: (v) => op.max(['a', 'b', 'c', 'd'].map((name) => get(v, name))),
    torch: 'torch.stack(torch.broadcast_tensors(a, b, c, d)).amax(0)',
  },
  {
    name: 'Min of three with ties',
    inputs: { a: tensor([4], [1, 2, 3, 1]), b: tensor([4], [1, 2, 4, 2]), c: tensor([4], [1, 3, 3, 0]) },
    build: (v) => op.min(['a', 'b', 'c'].map((name) => get(v, name))),
    torch: 'torch.stack((a, b, c)).amin(0)',
    ...kinked,
  },
  {
    name: 'Where',
    inputs: { c: whole('bool', [2, 1], [1, 0]), a: [2, 3], b: [3] },
    build: (v) => op.mul(op.where(get(v, 'c'), get(v, 'a'), get(v, 'b')), get(v, 'a')),
    torch: 'torch.where(c, a, b) * a',
  },
  {
    name: 'Where that keeps out what is not finite',
    inputs: { x: tensor([4], [-1, -0.5, 2, 3]) },
    build: (v) => {
      const fits = op.greater(get(v, 'x'), scalar(0, get(v, 'x')));
      return op.log(op.where(fits, get(v, 'x'), scalar(1, get(v, 'x'))));
    },
    torch: 'torch.where(x > 0, x, 1.0).log()',
  },
  ...(
    [
      ['Clip', -0.5, 0.5],
      ['Clip from below', -0.5, undefined],
      ['Clip from above', undefined, 0.5],
      ['Clip of nothing', undefined, undefined],
    ] as const
  ).map(([name, low, high]) =>
    unary(
      name,
      (x) =>
        op.exp(
          op.clip(x, low === undefined ? undefined : scalar(low, x), high === undefined ? undefined : scalar(high, x)),
        ),
      `(x.clamp(${low ?? 'None'}, ${high ?? 'None'}) if ${low !== undefined || high !== undefined ? 'True' : 'False'} else x).exp()`,
      away([3, 4], 5),
    ),
  ),
  unary(
    'Clip at its bounds',
    (x) => op.clip(x, scalar(-1, x), scalar(1, x)),
    'x.clamp(-1, 1)',
    tensor([5], [-2, -1, 0, 1, 2]),
    kinked,
  ),
  unary(
    'the root of a Clip',
    (x) => op.sqrt(op.clip(x, scalar(0, x))),
    'x.clamp(min=0).sqrt()',
    tensor([3], [-2, 1, 0.5]),
  ),
  ...(
    [
      ['in order', -0.5, 0.5],
      ['equal', 0.3, 0.3],
      ['crossed', 0.5, -0.5],
    ] as const
  ).map(
    ([name, low, high]): Case => ({
      name: `Clip with bounds that are given, ${name}`,
      inputs: { x: away([4, 3], 6), low: tensor([], [low]), high: tensor([], [high]) },
      build: (v) => op.mul(op.clip(get(v, 'x'), get(v, 'low'), get(v, 'high')), get(v, 'x')),
      // Where min and max are equal PyTorch's clamp gives min nothing, though it holds x back.
      torch: 'torch.where(torch.where(x < low, low, x) > high, high, torch.where(x < low, low, x)) * x',
      ...(name === 'equal' ? kinked : {}),
    }),
  ),
  {
    name: 'Clip with a lower bound that is given',
    inputs: { x: away([4, 3], 6), low: tensor([], [-0.2]) },
    build: (v) => op.exp(op.clip(get(v, 'x'), get(v, 'low'))),
    torch: 'torch.clamp(x, low).exp()',
  },
];

judged('co-states of choices', choices);
