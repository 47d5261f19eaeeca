import type { Attribute } from '../../src/graph/attribute.ts';
import type { Model } from '../../src/graph/graph.ts';
import { makeNode } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import { rewriteGraph } from '../../src/graph/passes/rewrite.ts';
import type { Value } from '../../src/graph/value.ts';
import { away, type Case, inFloat32, judged, whole } from './judge.ts';

interface Form {
  readonly operator: string;
  readonly name?: string;
  /** By name, in the operator's order; undefined is one that is left out. */
  readonly inputs: Readonly<Record<string, Case['inputs'][string] | undefined>>;
  readonly attributes?: Readonly<Record<string, number | string | readonly number[]>>;
  /** Attributes that are floats though they are whole numbers. */
  readonly floats?: readonly string[];
  readonly outputs?: number;
  readonly judge?: readonly number[];
  readonly torch: string;
  readonly domain?: string;
  readonly more?: Partial<Case>;
}

function contrib(form: Form): Case {
  const { operator, name = '', inputs, attributes = {}, floats = [], outputs = 1, judge = [0], torch, more } = form;
  const domain = form.domain ?? 'com.microsoft';
  const given = Object.entries(inputs).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
  return inFloat32({
    name: `${operator}${name === '' ? '' : `: ${name}`}`,
    inputs: Object.fromEntries(given),
    build: (v) => {
      const made = makeNode({
        opType: operator,
        domain,
        inputs: Object.keys(inputs).map((key) => v[key]),
        attributes: new Map(
          Object.entries(attributes).map(([key, value]) => [key, attribute(value, floats.includes(key))]),
        ),
        outputCount: outputs,
      });
      return judge.map((index) => made.outputs[index] as Value);
    },
    torch,
    opsets: domain === '' ? {} : { [domain]: 1 },
    ...more,
  });
}

function attribute(value: number | string | readonly number[], float: boolean): Attribute {
  if (typeof value === 'string') return { kind: 'string', value };
  if (typeof value !== 'number') return float ? { kind: 'floats', value } : { kind: 'ints', value };
  return { kind: Number.isInteger(value) && !float ? 'int' : 'float', value };
}

judged('co-states of products under their older name', [
  contrib({
    operator: 'TransposeMatMul',
    inputs: { a: [3, 2], b: [4, 3] },
    attributes: { transA: 1, transB: 1, alpha: 0.5 },
    torch: '0.5 * a.T @ b.T',
  }),
]);

judged("co-states of ONNX Runtime's activations", [
  contrib({ operator: 'Gelu', inputs: { x: [3, 4] }, torch: 'F.gelu(x)' }),
  contrib({ operator: 'BiasGelu', inputs: { x: [2, 3, 4], b: [4] }, torch: 'F.gelu(x + b)' }),
  contrib({ operator: 'FastGelu', inputs: { x: [3, 4] }, torch: "F.gelu(x, approximate='tanh')" }),
  contrib({
    operator: 'FastGelu',
    name: 'of x + bias',
    inputs: { x: [3, 4], b: [4] },
    torch: "F.gelu(x + b, approximate='tanh')",
  }),
  contrib({ operator: 'QuickGelu', inputs: { x: [3, 4] }, torch: 'x * torch.sigmoid(1.702 * x)' }),
  contrib({
    operator: 'QuickGelu',
    name: 'alpha 1',
    inputs: { x: [3, 4] },
    attributes: { alpha: 1 },
    floats: ['alpha'],
    torch: 'F.silu(x)',
  }),
]);

const activated = (activation: string, parameters: readonly number[], torch: string): Case[] => [
  contrib({
    operator: 'FusedGemm',
    name: activation,
    inputs: { a: [3, 4], b: [4, 2], c: [2] },
    attributes: {
      activation,
      ...(parameters[0] === undefined ? {} : { activation_alpha: parameters[0] }),
      ...(parameters[1] === undefined ? {} : { activation_beta: parameters[1] }),
    },
    floats: ['activation_alpha', 'activation_beta'],
    torch: `x = a @ b + c\nreturn ${torch}`,
  }),
];

judged("co-states of ONNX Runtime's products", [
  contrib({
    operator: 'FusedMatMul',
    inputs: { a: [2, 3, 4], b: [4, 5] },
    attributes: { alpha: 0.5 },
    torch: 'a @ b / 2',
  }),
  contrib({
    operator: 'FusedMatMul',
    name: 'both transposed',
    inputs: { a: [2, 4, 3], b: [2, 5, 4] },
    attributes: { alpha: 0.25, transA: 1, transB: 1 },
    torch: 'a.transpose(1, 2) @ b.transpose(1, 2) / 4',
  }),
  contrib({
    operator: 'FusedMatMul',
    name: 'batches last but one',
    inputs: { a: [3, 2, 4], b: [4, 2, 5] },
    attributes: { transBatchA: 1, transBatchB: 1 },
    torch: 'a.movedim(0, 1) @ b.movedim(0, 1)',
  }),
  contrib({
    operator: 'FusedMatMul',
    name: 'batches first, transposed, of rank 4',
    inputs: { a: [3, 2, 2, 4], b: [2, 2, 3, 5] },
    attributes: { transBatchA: 1, transA: 1 },
    torch: 'a.movedim(0, 2).transpose(2, 3) @ b',
  }),
  contrib({
    operator: 'FusedGemm',
    name: 'transposed and scaled, Relu',
    inputs: { a: [4, 3], b: [2, 4], c: [3, 1] },
    attributes: { activation: 'Relu', transA: 1, transB: 1, alpha: 0.5, beta: 0.3 },
    torch: 'F.relu(0.5 * a.T @ b.T + 0.3 * c)',
  }),
  ...activated('LeakyRelu', [0.1], 'F.leaky_relu(x, 0.1)'),
  ...activated('Sigmoid', [], 'torch.sigmoid(x)'),
  ...activated('Tanh', [], 'torch.tanh(x)'),
  ...activated('HardSigmoid', [0.3, 0.4], '(0.3 * x + 0.4).clamp(0, 1)'),
  ...activated('Elu', [0.7], 'F.elu(x, 0.7)'),
  ...activated('Softplus', [], 'F.softplus(x)'),
  contrib({
    operator: 'FusedConv',
    inputs: { x: [1, 2, 4, 4], w: [3, 2, 3, 3], b: [3] },
    attributes: { activation: 'Relu', pads: [1, 1, 1, 1], kernel_shape: [3, 3] },
    torch: 'F.relu(F.conv2d(x, w, b, padding=1))',
  }),
  contrib({
    operator: 'FusedConv',
    name: 'with a sum and a slope',
    inputs: { x: [1, 2, 4, 4], w: [3, 2, 2, 2], b: [3], z: [1, 3, 3, 3] },
    attributes: { activation: 'LeakyRelu', activation_params: [0.2] },
    floats: ['activation_params'],
    torch: 'F.leaky_relu(F.conv2d(x, w, b) + z, 0.2)',
  }),
]);

judged("co-states of ONNX Runtime's normalisations", [
  contrib({
    operator: 'SkipLayerNormalization',
    inputs: { x: [2, 3, 4], s: [2, 3, 4], g: [4], b: [4] },
    attributes: { epsilon: 0.01 },
    torch: 'F.layer_norm(x + s, (4,), g, b, 0.01)',
  }),
  contrib({
    operator: 'SkipLayerNormalization',
    name: 'with a bias, and the sum',
    inputs: { x: [2, 3, 4], s: [2, 3, 4], g: [4], b: [4], c: [4] },
    attributes: { epsilon: 0.01 },
    outputs: 4,
    judge: [0, 3],
    torch: 'F.layer_norm(x + s + c, (4,), g, b, 0.01), x + s + c',
  }),
  contrib({
    operator: 'SkipLayerNormalization',
    name: 'a skip of all of the batch, without beta',
    inputs: { x: [2, 3, 4], s: [1, 3, 4], g: [4] },
    attributes: { epsilon: 0.01 },
    torch: 'F.layer_norm(x + s, (4,), g, None, 0.01)',
  }),
  contrib({
    operator: 'SkipSimplifiedLayerNormalization',
    name: 'with a bias, and the sum',
    inputs: { x: [2, 3, 4], s: [2, 3, 4], g: [4], c: [4] },
    attributes: { epsilon: 0.01 },
    outputs: 4,
    judge: [0, 3],
    torch: 'F.rms_norm(x + s + c, (4,), g, 0.01), x + s + c',
  }),
  contrib({
    operator: 'SkipSimplifiedLayerNormalization',
    inputs: { x: [2, 3, 4], s: [2, 3, 4], g: [4] },
    attributes: { epsilon: 0.01 },
    torch: 'F.rms_norm(x + s, (4,), g, 0.01)',
  }),
  contrib({
    operator: 'EmbedLayerNormalization',
    inputs: {
      ids: whole('int32', [2, 3], [1, 0, 4, 2, 1, 1]),
      kinds: whole('int32', [2, 3], [1, 0, 1, 0, 0, 1]),
      words: [5, 4],
      places: [6, 4],
      types: [2, 4],
      g: [4],
      b: [4],
    },
    attributes: { epsilon: 0.01 },
    outputs: 2,
    // ONNX Runtime wants their sizes declared.
    more: { static: ['words', 'places', 'types', 'g', 'b'] },
    torch: 'F.layer_norm(words[ids.long()] + places[:3] + types[kinds.long()], (4,), g, b, 0.01)',
  }),
]);

/** Attention of q, k, v [B, H, L, D] in PyTorch. */
const core = `
def core(q, k, v, bias=0.0, see=None, scale=None, softmax=None):
  n = q.shape[1] // k.shape[1]
  k, v = k.repeat_interleave(n, 1), v.repeat_interleave(n, 1)
  s = q @ k.transpose(2, 3) * (scale or q.shape[3] ** -0.5) + bias
  if see is not None: s = torch.where(see, s, -torch.inf)
  return ((softmax or (lambda s: torch.softmax(s, -1)))(s) @ v).transpose(1, 2).flatten(2)
def heads(x, n): return x.unflatten(2, (n, -1)).transpose(1, 2)
`;

judged("co-states of ONNX Runtime's attention", [
  contrib({
    operator: 'MultiHeadAttention',
    inputs: { q: [2, 3, 8], k: [2, 5, 8], v: [2, 5, 6], b: [22] },
    attributes: { num_heads: 2 },
    torch: `${core}
return core(heads(q + b[:8], 2), heads(k + b[8:16], 2), heads(v + b[16:], 2))`,
  }),
  contrib({
    operator: 'MultiHeadAttention',
    name: 'with a bias of scores and padding by lengths',
    inputs: {
      q: [2, 3, 8],
      k: [2, 5, 8],
      v: [2, 5, 8],
      b: undefined,
      m: whole('int32', [2], [3, 5]),
      a: [1, 2, 3, 5],
    },
    attributes: { num_heads: 2, scale: 0.3 },
    torch: `${core}
see = torch.arange(5) < m[:, None, None, None]
return core(heads(q, 2), heads(k, 2), heads(v, 2), bias=a + torch.where(see, 0, -10000.0), scale=0.3)`,
  }),
  contrib({
    operator: 'MultiHeadAttention',
    name: 'one way, with a mask and a past',
    inputs: {
      q: [1, 3, 4],
      k: [1, 3, 4],
      v: [1, 3, 4],
      b: undefined,
      m: whole('int32', [1, 5], [1, 1, 0, 1, 1]),
      a: undefined,
      pk: [1, 2, 2, 2],
      pv: [1, 2, 2, 2],
    },
    attributes: { num_heads: 2, unidirectional: 1 },
    outputs: 3,
    judge: [0, 1, 2],
    torch: `${core}
k, v = torch.cat((pk, heads(k, 2)), 2), torch.cat((pv, heads(v, 2)), 2)
see = torch.arange(5) <= torch.arange(3)[:, None] + 2
return core(heads(q, 2), k, v, bias=torch.where(m > 0, 0, -10000.0)[:, None, None], see=see), k, v`,
  }),
  contrib({
    operator: 'MultiHeadAttention',
    name: 'keys and values by heads',
    inputs: { q: [2, 3, 8], k: [2, 2, 5, 4], v: [2, 2, 5, 4] },
    attributes: { num_heads: 2 },
    torch: `${core}
return core(heads(q, 2), k, v)`,
  }),
  contrib({
    operator: 'Attention',
    inputs: { x: [2, 3, 4], w: [4, 18], b: [18] },
    attributes: { num_heads: 2 },
    torch: `${core}
q, k, v = (heads(p, 2) for p in (x @ w + b).chunk(3, -1))
return core(q, k, v)`,
  }),
  contrib({
    operator: 'Attention',
    name: 'one way, values of another size, a mask',
    inputs: { x: [2, 3, 4], w: [4, 20], b: [20], m: whole('int32', [2, 3], [1, 1, 0, 1, 1, 1]) },
    attributes: { num_heads: 2, unidirectional: 1, qkv_hidden_sizes: [8, 8, 4] },
    torch: `${core}
q, k, v = (heads(p, 2) for p in (x @ w + b).split((8, 8, 4), -1))
return core(q, k, v, bias=torch.where(m > 0, 0, -10000.0)[:, None, None], see=torch.ones(3, 3).tril().bool())`,
  }),
  contrib({
    operator: 'Attention',
    name: 'a past',
    inputs: { x: [2, 3, 4], w: [4, 12], b: [12], m: undefined, past: [2, 2, 2, 2, 2] },
    attributes: { num_heads: 2 },
    outputs: 2,
    judge: [0, 1],
    torch: `${core}
q, k, v = (heads(p, 2) for p in (x @ w + b).chunk(3, -1))
k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
return core(q, k, v), torch.stack((k, v))`,
  }),
  contrib({
    operator: 'Attention',
    name: 'a bias of scores',
    inputs: { x: [2, 3, 4], w: [4, 12], b: [12], m: undefined, past: undefined, a: [2, 2, 3, 3] },
    attributes: { num_heads: 2, scale: 0.6 },
    torch: `${core}
q, k, v = (heads(p, 2) for p in (x @ w + b).chunk(3, -1))
return core(q, k, v, bias=a, scale=0.6)`,
  }),
  contrib({
    operator: 'Attention',
    name: 'padding at both ends',
    inputs: { x: [2, 4, 4], w: [4, 12], b: [12], m: whole('int32', [4], [3, 4, 0, 1]) },
    attributes: { num_heads: 2 },
    more: { static: ['x', 'm'] },
    torch: `${core}
q, k, v = (heads(p, 2) for p in (x @ w + b).chunk(3, -1))
j = torch.arange(4)
see = (j < m[:2, None]) & (j >= m[2:, None])
return core(q, k, v, bias=torch.where(see, 0, -10000.0)[:, None, None])`,
  }),
]);

const turn = `
def turn(x, c, s):
  a, b = x.chunk(2, -1)
  return torch.cat((c * a - s * b, s * a + c * b), -1)
`;

judged("co-states of ONNX Runtime's grouped attention", [
  contrib({
    operator: 'GroupQueryAttention',
    inputs: {
      q: [2, 3, 32],
      k: [2, 3, 16],
      v: [2, 3, 16],
      pk: undefined,
      pv: undefined,
      n: whole('int32', [2], [2, 2]),
      t: whole('int32', [1], [3]),
    },
    attributes: { num_heads: 4, kv_num_heads: 2 },
    outputs: 3,
    torch: `${core}
return core(heads(q, 4), heads(k, 2), heads(v, 2), see=torch.ones(3, 3).tril().bool())`,
  }),
  contrib({
    operator: 'GroupQueryAttention',
    name: 'packed, turned, capped, in a window',
    inputs: {
      q: [1, 4, 64],
      k: undefined,
      v: undefined,
      pk: undefined,
      pv: undefined,
      n: whole('int32', [1], [3]),
      t: whole('int32', [1], [4]),
      c: [8, 8],
      s: [8, 8],
    },
    attributes: { num_heads: 2, kv_num_heads: 1, do_rotary: 1, softcap: 5, local_window_size: 2 },
    floats: ['softcap'],
    outputs: 3,
    torch: `${core}${turn}
q, k, v = (heads(p, n) for p, n in zip(q.split((32, 16, 16), -1), (2, 1, 1)))
q, k = turn(q, c[:4], s[:4]), turn(k, c[:4], s[:4])
i, j = torch.arange(4)[:, None], torch.arange(4)
k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
z = torch.tanh(q @ k.transpose(2, 3) / 4 / 5) * 5
z = torch.where((j <= i) & (j > i - 2), z, -torch.inf)
return (torch.softmax(z, -1) @ v).transpose(1, 2).flatten(2)`,
  }),
  contrib({
    operator: 'GroupQueryAttention',
    name: 'a step after pasts of two lengths',
    inputs: {
      q: [2, 1, 16],
      k: [2, 1, 8],
      v: [2, 1, 8],
      pk: [2, 1, 3, 8],
      pv: [2, 1, 3, 8],
      n: whole('int32', [2], [3, 2]),
      t: whole('int32', [1], [4]),
    },
    attributes: { num_heads: 2, kv_num_heads: 1 },
    outputs: 3,
    torch: `${core}
k, v = heads(k, 1), heads(v, 1)
def after(past, x): return torch.stack((torch.cat((past[0], x[0]), 1), torch.cat((past[1][:, :2], x[1], x[1]), 1)))
see = torch.arange(4) <= torch.tensor([3, 2])[:, None, None, None]
return core(heads(q, 2), after(pk, k), after(pv, v), see=see)`,
  }),
  contrib({
    operator: 'GroupQueryAttention',
    name: 'a score that leads nowhere, a bias of scores',
    inputs: {
      q: [1, 3, 16],
      k: [1, 3, 8],
      v: [1, 3, 8],
      pk: undefined,
      pv: undefined,
      n: whole('int32', [1], [2]),
      t: whole('int32', [1], [3]),
      c: undefined,
      s: undefined,
      p: undefined,
      a: [1, 2, 3, 3],
      sink: [2],
    },
    attributes: { num_heads: 2, kv_num_heads: 1 },
    outputs: 3,
    torch: `${core}
def soft(z): return torch.softmax(torch.cat((z, sink[None, :, None, None].expand(1, 2, 3, 1)), -1), -1)[..., :3]
return core(heads(q, 2), heads(k, 1), heads(v, 1), bias=a, see=torch.ones(3, 3).tril().bool(), softmax=soft)`,
  }),
]);

judged("co-states of ONNX Runtime's layouts", [
  contrib({ operator: 'Trilu', inputs: { x: [3, 4] }, attributes: { upper: 0 }, torch: 'x.tril()' }),
  contrib({ operator: 'ExpandDims', inputs: { x: away([3, 4], 1), a: whole('int32', [], [1]) }, torch: 'x[:, None]' }),
  contrib({
    operator: 'RotaryEmbedding',
    inputs: { x: [2, 3, 8], p: whole('int64', [2, 3], [0, 4, 1, 3, 2, 2]), c: [5, 2], s: [5, 2] },
    torch: `${core}${turn}
return turn(heads(x, 2), c[p][:, None], s[p][:, None]).transpose(1, 2).flatten(2)`,
    more: { static: ['x', 'c'] },
  }),
  contrib({
    operator: 'RotaryEmbedding',
    name: 'of rank 4, from a first position, interleaved',
    inputs: { x: [2, 2, 3, 4], p: whole('int64', [1], [1]), c: [5, 2], s: [5, 2] },
    attributes: { interleaved: 1 },
    torch: `
a, b, c, s = x[..., 0::2], x[..., 1::2], c[1:4], s[1:4]
return torch.stack((c * a - s * b, s * a + c * b), -1).flatten(-2)`,
  }),
  contrib({
    operator: 'SimplifiedLayerNormalization',
    domain: '',
    inputs: { x: [2, 3, 4], g: [4] },
    attributes: { epsilon: 0.01, axis: -1, stash_type: 1 },
    torch: 'F.rms_norm(x, (4,), g, 0.01)',
    more: { checked: false },
  }),
]);

/** In operators that run: ONNX Runtime has this one on GPUs only. */
function asSoftmax(made: Model): Model {
  const graph = rewriteGraph(made.graph, (node) => {
    const [data, bias] = node.inputs;
    return node.opType === 'BiasSoftmax' && data && bias ? [op.softmax(op.add(data, bias))] : undefined;
  });
  return { ...made, graph };
}

judged('co-states of operators without a CPU kernel', [
  {
    name: 'BiasSoftmax',
    inputs: { x: [2, 3, 4], b: [1, 3, 4] },
    build: (v) =>
      makeNode({
        opType: 'BiasSoftmax',
        domain: 'com.microsoft',
        inputs: [v.x, v.b],
        attributes: new Map([['axis', { kind: 'int', value: 2 }]]),
        outputCount: 1,
      }).outputs,
    torch: '(x + b).softmax(-1)',
    opsets: { 'com.microsoft': 1 },
    wide: asSoftmax,
    float32: false,
  },
]);
