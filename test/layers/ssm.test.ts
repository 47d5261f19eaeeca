import { join } from 'node:path';
import { ssmForms } from '../../src/layers/ssm/s4d.ts';
import { selectiveForms } from '../../src/layers/ssm/selective.ts';
import { judgedByTorch } from './judge.ts';

const s4d = (options: object, { initial = false, time = 'time' as string | number } = {}) => ({
  inputs: [{ name: 'x', shape: ['batch', time, 3] }, ...(initial ? [{ name: 'h0', shape: ['batch', 3, 4, 2] }] : [])],
  layers: [{ kind: 's4d', name: '.', from: ['x', ...(initial ? ['h0'] : [])], ...options }],
  outputs: { state: 'state' },
});

const lengths = [1, 64, 150] as const;

const forms = ssmForms.flatMap((form) =>
  lengths.flatMap((time) => [
    { name: `s4d-${time}`, build: s4d({ form }) },
    { name: `s4d-from-${time}`, build: s4d({ form, block: false }, { initial: true }) },
  ]),
);

const classifier = (options: object, mask = false) => ({
  inputs: [{ name: 'x', shape: ['batch', 'time', 2] }],
  layers: [{ kind: 's4-classifier', ...options, ...(mask ? { mask: 'mask' } : {}) }],
});

const mixer = (options: object, past = false) => ({
  inputs: [
    { name: 'x', shape: ['batch', 'time', 6] },
    ...(past
      ? [
          { name: 'conv', shape: ['batch', 10, 1] },
          { name: 'ssm', shape: ['batch', 10, 5] },
        ]
      : []),
  ],
  layers: [{ kind: 'selective-scan', name: '.', from: ['x', ...(past ? ['conv', 'ssm'] : [])], ...options }],
  outputs: { conv_n: 'conv', ssm_n: 'ssm' },
});

const mamba = (options: object = {}) => ({
  inputs: [{ name: 'tokens', dtype: 'int64', shape: ['batch', 'time'] }],
  layers: [{ kind: 'mamba', ...options }],
});

judgedByTorch('state-space models', join(import.meta.dirname, 'ssm.py'), [
  ...forms,
  ...ssmForms.map((form) => ({ name: 's4d-150', build: s4d({ form }, { time: 150 }) })),
  { name: 's4-last', build: classifier({}) },
  { name: 's4-first', build: classifier({ normFirst: true, form: 'convolution' }) },
  { name: 's4-masked', build: classifier({ form: 'recurrence' }, true) },
  { name: 's4-steps', build: classifier({ pool: false }) },
  ...selectiveForms.flatMap((form) =>
    [1, 16, 43].flatMap((time) => [
      { name: `mixer-${time}`, build: mixer({ form }) },
      { name: `mixer-from-${time}`, build: mixer({ form }, true) },
    ]),
  ),
  { name: 'mamba-tied', build: mamba() },
  { name: 'mamba-head', build: mamba({ form: 'associative' }) },
  { name: 'mamba-classifier', build: mamba({ task: 'classifier', mask: 'mask', form: 'recurrence' }) },
  { name: 'mamba-cached', build: mamba({ cache: true }) },
]);
