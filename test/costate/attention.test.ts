import { fromNumbers } from '../../src/files/tensor.ts';
import { rotaryEmbedding } from '../../src/graph/generated/opset23.ts';
import { makeNode } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, inFloat32, judged, whole } from './judge.ts';

type Numbers = Readonly<Record<string, number>>;

interface Form {
  readonly name: string;
  readonly q: readonly number[];
  readonly k: readonly number[];
  readonly v?: readonly number[];
  /** Attributes; integers unless they have a fraction or are `scale` and `softcap`. */
  readonly attributes?: Numbers;
  readonly inputs?: Case['inputs'];
  readonly version?: 23 | 24 | 25;
  /** Which outputs are judged. */
  readonly outputs?: readonly number[];
  /** Python that sets `bias` (added to scores) and `see` (what is seen), on q, k, v [B, H, L, D] and the inputs. */
  readonly masks?: string;
  readonly more?: Partial<Case>;
}

const places = ['q', 'k', 'v', 'mask', 'pastK', 'pastV', 'filled'];

/** ONNX's Attention by its definition in PyTorch: rows that see nothing give 0. */
function torchOf({ attributes = {}, outputs = [0], masks = '', inputs = {} }: Form): string {
  const { q_num_heads: heads, kv_num_heads: groups = heads, softcap = 0, qk_matmul_output_mode: mode = 0 } = attributes;
  const split = (name: string, count: number | undefined): string =>
    count === undefined ? '' : `${name} = ${name}.unflatten(2, (${count}, -1)).transpose(1, 2)\n`;
  return `${split('q', heads)}${split('k', groups)}${split('v', groups)}${
    'pastK' in inputs ? 'k, v = torch.cat((pastK, k), 2), torch.cat((pastV, v), 2)\n' : ''
  }bias, see = torch.zeros(()), torch.ones(q.shape[2], k.shape[2], dtype=torch.bool)
present = k, v
i, j = torch.arange(q.shape[2])[:, None], torch.arange(k.shape[2])
${masks}
see = see & (bias > -torch.inf)
n = q.shape[1] // k.shape[1]
k, v = k.repeat_interleave(n, 1), v.repeat_interleave(n, 1)
raw = q @ k.transpose(2, 3) * ${attributes.scale ?? '(q.shape[3] ** -0.5)'}
capped = ${softcap > 0 ? `torch.tanh(raw / ${softcap}) * ${softcap}` : 'raw'}
seen = torch.where(see, capped + torch.where(see, bias, 0.0), -torch.inf)
p = torch.where(see, torch.softmax(torch.where(see.any(-1, keepdim=True), seen, 0.0), -1), 0.0)
y = p @ v
${heads === undefined ? '' : 'y = y.transpose(1, 2).flatten(2)'}
all = (y, *present, (raw, capped, seen, p)[${mode}])
return [all[i] for i in (${outputs.join(', ')},)]`;
}

function attributesOf(given: Numbers) {
  return new Map(
    Object.entries(given).map(([name, value]) => [
      name,
      { kind: name === 'scale' || name === 'softcap' ? ('float' as const) : ('int' as const), value },
    ]),
  );
}

function attention(form: Form): Case {
  const { name, q, k, v = k, attributes = {}, inputs = {}, version = 23, outputs = [0], more } = form;
  const all: Case['inputs'] = { q, k, v, ...inputs };
  return {
    name: `Attention: ${name}`,
    inputs: all,
    build: (given) => {
      const last = places.findLastIndex((place) => place in all);
      const made = makeNode({
        opType: 'Attention',
        version,
        inputs: places.slice(0, last + 1).map((place) => given[place]),
        attributes: attributesOf(attributes),
        outputCount: 4,
      });
      return outputs.map((index) => made.outputs[index] as Value);
    },
    torch: torchOf(form),
    // In float64 ONNX Runtime's own is only as exact as float32.
    engines: ['reference'],
    opset: version,
    ...more,
  };
}

const [q, k] = [
  [2, 4, 3, 2],
  [2, 4, 5, 2],
];
const seen = whole('bool', [3, 5], [1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
const hiding = fromNumbers(
  'float64',
  [3, 5],
  [0.2, -1, -Infinity, 0.5, 1, -Infinity, -Infinity, -Infinity, -Infinity, -Infinity, 0.3, 0.1, 0, 2, -Infinity],
);

judged('co-states of attention', [
  attention({ name: 'plain', q, k, v: [2, 4, 5, 3] }),
  attention({ name: 'scaled and capped', q, k, attributes: { scale: 0.3, softcap: 0.75 } }),
  attention({ name: 'causal', q, k, attributes: { is_causal: 1 }, masks: 'see = j <= i' }),
  attention({ name: 'a float mask', q, k, inputs: { mask: [3, 5] }, masks: 'bias = mask' }),
  attention({ name: 'a float mask of heads', q, k, inputs: { mask: [2, 4, 3, 5] }, masks: 'bias = mask' }),
  attention({
    name: 'a float mask, causal',
    q,
    k,
    attributes: { is_causal: 1 },
    inputs: { mask: [4, 3, 5] },
    masks: 'bias, see = mask, j <= i',
  }),
  attention({ name: 'a mask with a row that sees nothing', q, k, inputs: { mask: seen }, masks: 'see = mask' }),
  attention({
    name: 'a float mask with -inf, and a row of it',
    q,
    k,
    inputs: { mask: hiding },
    masks: 'bias = mask',
    more: { fixed: ['mask'] },
  }),
  attention({ name: 'fewer heads of keys', q, k: [2, 2, 5, 2], v: [2, 2, 5, 3] }),
  attention({
    name: 'one head of keys, causal',
    q,
    k: [2, 1, 5, 2],
    attributes: { is_causal: 1 },
    masks: 'see = j <= i',
  }),
  attention({
    name: 'flat inputs',
    q: [2, 3, 8],
    k: [2, 5, 8],
    v: [2, 5, 12],
    attributes: { q_num_heads: 4, kv_num_heads: 4 },
  }),
  attention({
    name: 'flat inputs, fewer heads of keys, a mask',
    q: [2, 3, 8],
    k: [2, 5, 4],
    v: [2, 5, 6],
    attributes: { q_num_heads: 4, kv_num_heads: 2 },
    inputs: { mask: seen },
    masks: 'see = mask',
  }),
  attention({
    name: 'past keys, causal, all outputs',
    q,
    k: [2, 2, 3, 2],
    v: [2, 2, 3, 3],
    attributes: { is_causal: 1 },
    inputs: { pastK: [2, 2, 2, 2], pastV: [2, 2, 2, 3] },
    outputs: [0, 1, 2],
    masks: 'see = j <= i + 2',
  }),
  // The reference evaluator gives capped scores where the operator says that they are not.
  attention({ name: 'the scores too', q, k, attributes: { qk_matmul_output_mode: 0 }, outputs: [0, 3] }),
  attention({
    name: 'the capped scores too',
    q,
    k,
    attributes: { qk_matmul_output_mode: 1, softcap: 2 },
    outputs: [0, 3],
  }),
  attention({
    name: 'the masked scores alone',
    q,
    k,
    attributes: { qk_matmul_output_mode: 2, softcap: 2 },
    inputs: { mask: [3, 5] },
    outputs: [3],
    masks: 'bias = mask',
    more: { fixed: ['v'] },
  }),
  attention({
    name: 'the probabilities too',
    q,
    k,
    attributes: { qk_matmul_output_mode: 3 },
    inputs: { mask: seen },
    outputs: [0, 3],
    masks: 'see = mask',
  }),
  attention({
    name: 'softmax in float32',
    q,
    k,
    attributes: { softmax_precision: 1 },
    more: { tolerance: { torch: 1e-5, second: 1 }, step: 1e-4 },
  }),
  attention({
    name: 'of opset 24, filled to a length',
    q,
    k,
    version: 24,
    inputs: { filled: whole('int64', [2], [3, 5]) },
    masks: 'see = j < filled[:, None, None, None]',
  }),
  attention({
    name: 'of opset 24, filled to a length, causal, first rows without keys',
    q,
    k,
    version: 24,
    attributes: { is_causal: 1 },
    inputs: { filled: whole('int64', [2], [2, 5]) },
    masks: 'see = (j < filled[:, None, None, None]) & (j <= i + filled[:, None, None, None] - 3)',
  }),
  attention({
    name: 'of opset 25, in a window',
    q,
    k,
    version: 25,
    attributes: { left_window_size: 1, right_window_size: 2 },
    masks: 'see = (i - j <= 1) & (j - i <= 2)',
    // ONNX Runtime has none of it.
    more: { float32: false },
  }),
  attention({
    name: 'of opset 24, a shorter mask',
    q,
    k,
    version: 24,
    inputs: { mask: whole('bool', [3, 4], [1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0]) },
    masks: 'see = F.pad(mask, (0, 1), value=False)',
    more: { float32: false },
  }),
  attention({
    name: 'of opset 24, a shorter float mask',
    q,
    k,
    version: 24,
    inputs: { mask: [1, 1, 3, 4] },
    masks: 'bias = F.pad(mask, (0, 1), value=-torch.inf)',
    more: { float32: false },
  }),
]);

/** Rotary embedding by complex numbers. */
function rotary(
  name: string,
  shape: readonly number[],
  { heads, turned, interleaved, positions }: { heads?: number; turned?: number; interleaved?: true; positions?: true },
): Case {
  const [batch = 1] = shape;
  const length = shape.length === 3 ? (shape[1] ?? 1) : (shape[2] ?? 1);
  const size = heads === undefined ? (shape[3] ?? 1) : (shape[2] ?? 1) / heads;
  const pairs = (turned ?? size) / 2;
  const cache = positions ? [7, pairs] : [batch, length, pairs];
  const ids = Array.from({ length: batch * length }, (_, index) => (index * 3 + 1) % 7);
  return {
    name: `RotaryEmbedding: ${name}`,
    inputs: { x: shape, c: cache, s: cache, ...(positions ? { ids: whole('int64', [batch, length], ids) } : {}) },
    build: (v) =>
      rotaryEmbedding(v.x as Value, v.c as Value, v.s as Value, v.ids, {
        ...(interleaved ? { interleaved: 1 } : {}),
        ...(heads === undefined ? {} : { numHeads: heads }),
        ...(turned === undefined ? {} : { rotaryEmbeddingDim: turned }),
      }),
    torch: `
${positions ? 'c, s = c[ids], s[ids]' : ''}
h = ${heads === undefined ? 'x.transpose(1, 2)' : `x.unflatten(2, (${heads}, -1))`}
t, rest = h[..., :${2 * pairs}], h[..., ${2 * pairs}:]
a, b = ${interleaved ? 't[..., 0::2], t[..., 1::2]' : 't.chunk(2, -1)'}
c, s = c[:, :, None], s[:, :, None]
re, im = c * a - s * b, s * a + c * b
t = ${interleaved ? 'torch.stack((re, im), -1).flatten(-2)' : 'torch.cat((re, im), -1)'}
h = torch.cat((t, rest), -1)
return ${heads === undefined ? 'h.transpose(1, 2)' : 'h.flatten(2)'}`,
    opset: 23,
  };
}

judged('co-states of rotary embedding', [
  ...[
    rotary('rank 4', [2, 2, 3, 4], {}),
    rotary('flat', [2, 3, 8], { heads: 2 }),
    rotary('interleaved', [2, 2, 3, 4], { interleaved: true }),
    rotary('flat, interleaved, partly, by positions', [2, 3, 12], {
      heads: 2,
      turned: 4,
      interleaved: true,
      positions: true,
    }),
    rotary('partly', [1, 2, 3, 6], { turned: 4 }),
    rotary('by positions', [2, 2, 3, 4], { positions: true }),
  ].map(inFloat32),
]);

judged('co-states of attention on itself', [
  {
    name: 'one value as query, key and value',
    inputs: { x: [1, 2, 3, 4] },
    build: (v) => {
      const x = v.x as Value;
      const made = makeNode({ opType: 'Attention', version: 23, inputs: [x, x, op.mul(x, x)], outputCount: 1 });
      return made.outputs;
    },
    torch: 'torch.softmax(x @ x.transpose(2, 3) / 2, -1) @ (x * x)',
    opset: 23,
    engines: ['reference'],
  },
]);
