import type { HigherOrder } from '../aten/table.ts';

const because =
  (reason: string): HigherOrder =>
  (call) => {
    call.ignore(...call.node.inputs.map(({ name }) => name));
    throw call.unsupported(reason);
  };

/** Operators with graphs, or of other code, that ONNX cannot express: each says what to do instead. */
export const refusedRules: Readonly<Record<string, HigherOrder>> = {
  'higher_order.flex_attention': because('write the attention out, or with scaled_dot_product_attention and a mask'),
  'higher_order.flex_attention_backward': because('export the forward pass alone'),
  'higher_order.auto_functionalized': because('custom operators that write to their arguments'),
  'higher_order.auto_functionalized_v2': because('custom operators that write to their arguments'),
  'higher_order.triton_kernel_wrapper_mutation': because('Triton kernels'),
  'higher_order.triton_kernel_wrapper_functional': because('Triton kernels'),
  'higher_order.call_torchbind': because('methods of script objects'),
  'higher_order.out_dtype': because('write the casts out'),
};
