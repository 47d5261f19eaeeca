/** Core ATen operators that have no lowering, and why: none of them is in a program that infers. */
export const notCovered: Readonly<Record<string, string>> = {
  'aten._adaptive_avg_pool2d_backward.default': 'of graphs of training; gradients are made by `costate`',
  'aten.avg_pool2d_backward.default': 'of graphs of training; gradients are made by `costate`',
  'aten.convolution_backward.default': 'of graphs of training; gradients are made by `costate`',
  'aten.embedding_dense_backward.default': 'of graphs of training; gradients are made by `costate`',
  'aten.max_pool2d_with_indices_backward.default': 'of graphs of training; gradients are made by `costate`',
  'aten.native_group_norm_backward.default': 'of graphs of training; gradients are made by `costate`',
  'aten.native_layer_norm_backward.default': 'of graphs of training; gradients are made by `costate`',
  'aten.resize_.default': 'changes the size of a tensor in place; torch.export refuses it',
  'aten.sym_is_contiguous.default': 'asks how a tensor lies in memory, which a graph of ONNX does not say',
};
