import type { Argument, ProgramGraph, ProgramNode, TensorMeta } from '../schema/program.ts';

/** Operators that PyTorch's autocast casts on CPUs: to the lower precision, or to float32. Either way half and full precision may meet among their arguments. */
const castOperators = new Set(
  `conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d _convolution bmm mm baddbmm addmm addbmm linear matmul linalg_vecdot
  scaled_dot_product_attention _native_multi_head_attention avg_pool3d binary_cross_entropy grid_sampler polar prod quantile nanquantile stft cdist trace
  view_as_complex cholesky pinverse fft_fft logsumexp einsum lstm gru rnn_tanh rnn_relu layer_norm group_norm mse_loss l1_loss smooth_l1_loss huber_loss
  nll_loss nll_loss_nd cosine_embedding_loss kl_div softmax log_softmax cumsum cumprod stack cat index_copy mv dot baddbmm multi_dot linalg_multi_dot`.split(
    /\s+/,
  ),
);

/**
 * A region of autocast: the program records what its operators give, not the casts of what they take. Tensors of half precision are widened to
 * float32 before such operators, which then compute in it; what they give is cast to what the program says.
 */
export function widened(graph: ProgramGraph): ProgramGraph {
  const tensors = new Map(graph.tensors);
  const nodes = graph.nodes.flatMap((node) => withCasts(node, tensors));
  return { ...graph, nodes, tensors };
}

function withCasts(node: ProgramNode, tensors: Map<string, TensorMeta>): ProgramNode[] {
  const name = /^aten\.(\w+?)\./.exec(node.target)?.[1] ?? '';
  if (!castOperators.has(name)) return [node];
  const casts: ProgramNode[] = [];
  const wide = (argument: Argument): Argument => {
    if (argument.kind === 'list') return { ...argument, items: argument.items.map(wide) };
    if (argument.kind !== 'tensor') return argument;
    const meta = tensors.get(argument.name);
    if (meta?.dtype !== 'float16' && meta?.dtype !== 'bfloat16') return argument;
    const made: Argument = { kind: 'tensor', name: `${argument.name}_autocast` };
    if (!tensors.has(made.name)) {
      tensors.set(made.name, { ...meta, dtype: 'float32' });
      const inputs = [
        { name: 'self', argument },
        { name: 'dtype', argument: { kind: 'dtype', dtype: 'float32' } as const },
      ];
      casts.push({ ...node, target: 'aten._to_copy.default', name: made.name, inputs, outputs: [made] });
    }
    return made;
  };
  const inputs = node.inputs.map(({ name: own, argument }) => ({ name: own, argument: wide(argument) }));
  return [...casts, { ...node, inputs }];
}
