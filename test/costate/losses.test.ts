import fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, positive, whole } from './judge.ts';

interface Form {
  readonly shape: readonly number[];
  readonly labels: readonly number[];
  readonly reduction: 'none' | 'mean' | 'sum';
  readonly weights: boolean;
  readonly ignore: number | undefined;
  readonly small: boolean;
}

/** Labels in the classes, some of them the ignored number. */
const forms = fc.sample(
  fc
    .record({
      rank: fc.integer({ min: 2, max: 5 }),
      classes: fc.integer({ min: 2, max: 4 }),
      batch: fc.integer({ min: 1, max: 3 }),
      reduction: fc.constantFrom('none' as const, 'mean' as const, 'sum' as const),
      weights: fc.boolean(),
      ignore: fc.constantFrom(undefined, -100, 1),
      small: fc.boolean(),
      seed: fc.integer({ min: 1, max: 1000 }),
    })
    .map(({ rank, classes, batch, seed, ...rest }): Form => {
      const shape = [batch, classes, ...Array.from({ length: rank - 2 }, (_, index) => 2 - (index % 2))];
      const count = shape.reduce((product, size) => product * size, 1) / classes;
      // The first sample is never ignored, so that a mean has something to divide by.
      const labels = Array.from({ length: count }, (_, index) => {
        const label = (seed * (index + 3) * 7 + index) % classes;
        return index > 0 && rest.ignore !== undefined && (seed + index) % 3 === 0
          ? rest.ignore
          : label === 1
            ? 0
            : label;
      });
      return { shape, labels, ...rest };
    }),
  { numRuns: 12, seed: 21 },
);

function named({ shape, reduction, weights, ignore, small }: Form): string {
  return `[${shape}] ${reduction}${weights ? ' weighted' : ''}${ignore === undefined ? '' : ` ignoring ${ignore}`}${small ? ' int32' : ''}`;
}

/** PyTorch's own losses have no derivative by their weights; these are their definitions. */
function definition({ reduction, weights, ignore, shape }: Form): string {
  const axes = `(0, ${shape.slice(2).map((_, axis) => axis + 2)})`;
  const view = `(1, -1, ${shape.slice(2).map(() => 1)})`;
  return `
keep = t.long() != ${ignore ?? -1}
hot = F.one_hot(torch.where(keep, t.long(), 0), ${shape[1]}).movedim(-1, 1) * keep.unsqueeze(1)
each = hot * ${weights ? `w.view${view}` : '1.0'}
losses = -(each * logs).sum(1)
loss = ${{ none: 'losses', sum: 'losses.sum()', mean: 'losses.sum() / each.sum()' }[reduction]}`.replace('(0, )', axes);
}

function inputsOf(form: Form): Case['inputs'] {
  const [batch = 1, classes = 1, ...rest] = form.shape;
  return {
    x: form.shape,
    t: whole(form.small ? 'int32' : 'int64', [batch, ...rest], form.labels),
    ...(form.weights ? { w: positive([classes], 5) } : {}),
  };
}

function attributesOf({ reduction, ignore }: Form) {
  return { reduction, ...(ignore === undefined ? {} : { ignoreIndex: ignore }) };
}

function crossEntropy(form: Form, outputs: 'loss' | 'both'): Case {
  return {
    name: `SoftmaxCrossEntropyLoss ${named(form)}${outputs === 'both' ? ' and log_prob' : ''}`,
    inputs: inputsOf(form),
    build: (v) => {
      const made = op.softmaxCrossEntropyLoss(v.x as Value, v.t as Value, v.w, attributesOf(form));
      return outputs === 'both' ? made : made[0];
    },
    torch: `logs = torch.log_softmax(x, 1)${definition(form)}\nreturn ${outputs === 'both' ? 'loss, logs' : 'loss'}`,
  };
}

function likelihood(form: Form): Case {
  return {
    name: `NegativeLogLikelihoodLoss ${named(form)}`,
    inputs: inputsOf(form),
    build: (v) => op.negativeLogLikelihoodLoss(v.x as Value, v.t as Value, v.w, attributesOf(form)),
    torch: `logs = x${definition(form)}\nreturn loss`,
  };
}

judged('co-states of losses', [
  ...forms.map((form, index) => crossEntropy(form, index % 3 === 0 ? 'both' : 'loss')),
  ...forms.map(likelihood),
  {
    name: "PyTorch's cross_entropy with weights and an ignored label",
    inputs: { x: [4, 3], t: whole('int64', [4], [2, -7, 0, 1]), w: positive([3], 3) },
    fixed: ['w'],
    build: (v) => op.softmaxCrossEntropyLoss(v.x as Value, v.t as Value, v.w, { ignoreIndex: -7 })[0],
    torch: 'F.cross_entropy(x, t, w, ignore_index=-7)',
  },
  {
    // As PyTorch: the mean of nothing is NaN, its derivative is 0.
    name: 'every label ignored',
    inputs: { x: [2, 3], t: whole('int64', [2], [-7, -7]) },
    build: (v) => {
      const [loss, logs] = op.softmaxCrossEntropyLoss(v.x as Value, v.t as Value, undefined, { ignoreIndex: -7 });
      // Beside something that is finite, so that differences can be made.
      return op.add(
        op.where(op.isNaN(loss), op.reduceSum(op.mul(v.x as Value, v.x as Value), undefined, { keepdims: 0 }), loss),
        op.reduceSum(op.mul(logs, logs), undefined, { keepdims: 0 }),
      );
    },
    torch: `
l = F.cross_entropy(x, t, ignore_index=-7)
return torch.where(torch.isnan(l), (x * x).sum(), l) + torch.log_softmax(x, 1).square().sum()`,
  },
  {
    name: 'scores of -inf beside the label',
    inputs: {
      x: [2, 3],
      m: fromNumbers('float64', [2, 3], [0, -Infinity, 0, 0, 0, -Infinity]),
      t: whole('int64', [2], [2, 0]),
    },
    fixed: ['m'],
    build: (v) => op.softmaxCrossEntropyLoss(op.add(v.x as Value, v.m as Value), v.t as Value)[0],
    torch: 'F.cross_entropy(x + m, t)',
  },
]);
