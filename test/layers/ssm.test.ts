import { join } from 'node:path';
import { ssmForms } from '../../src/layers/ssm/s4d.ts';
import { judgedByTorch } from './judge.ts';

const s4d = (options: object, { initial = false, time = 'time' as string | number } = {}) => ({
  inputs: [{ name: 'x', shape: ['batch', time, 3] }, ...(initial ? [{ name: 'h0', shape: ['batch', 3, 4, 2] }] : [])],
  layers: [{ kind: 's4d', name: '.', from: ['x', ...(initial ? ['h0'] : [])], ...options }],
  outputs: { state: 'state' },
});

const lengths = [1, 7, 64, 150] as const;

const forms = ssmForms.flatMap((form) =>
  lengths.flatMap((time) => [
    { name: `s4d-${time}`, build: s4d({ form }) },
    { name: `s4d-from-${time}`, build: s4d({ form, block: false }, { initial: true }) },
  ]),
);

judgedByTorch('state-space models', join(import.meta.dirname, 'ssm.py'), [
  ...forms,
  ...ssmForms.map((form) => ({ name: 's4d-150', build: s4d({ form }, { time: 150 }) })),
]);
