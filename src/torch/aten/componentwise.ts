/** Operators that move elements, or are linear with real factors: on complex tensors they do the same to both parts. */
const defaults =
  'view _unsafe_view reshape permute t mT numpy_T unsqueeze expand view_as expand_as reshape_as contiguous clone detach alias ' +
  'lift_fresh_copy flip roll rot90 repeat tile movedim moveaxis unfold ravel zeros_like index_select gather tril triu diag_embed swapaxes ' +
  'swapdims cumsum select_scatter slice_scatter index_put squeeze chunk narrow sum mean diagonal split_with_sizes take_along_dim';

const overloads =
  'transpose.int squeeze.dim squeeze.dims slice.Tensor select.int split.Tensor split.sizes unbind.int flatten.using_ints unflatten.int ' +
  'movedim.int index.Tensor repeat_interleave.self_int sum.dim_IntList mean.dim tensor_split.sections';

export const componentwise: readonly string[] = [
  ...defaults.split(' ').map((name) => `aten.${name}.default`),
  ...overloads.split(' ').map((name) => `aten.${name}`),
];
