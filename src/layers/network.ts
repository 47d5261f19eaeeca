import type { AnyTensor } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { type ModelSpec, model } from '../graph/model.ts';
import { type Finished, fresh, fromCheckpoint, type Module } from './module.ts';
import { compose, declaredDType } from './spec/compose.ts';
import type { Spec } from './spec/spec.ts';
import { stateKey, tiedKey, writeTied } from './state-dict.ts';

/** A network as a model, which equation each layer is, and what became of the parameters. */
export interface Network extends Finished {
  readonly model: Model;
}

type Target = Pick<ModelSpec, 'opset' | 'ir'>;

/** A network with fresh weights in PyTorch's distributions: the same seed gives the same model everywhere. */
export function buildNetwork(spec: Spec, seed: number, target: Target = {}, file?: string): Network {
  return assemble(spec, fresh({ seed, dtype: computeDType(spec) }), target, file);
}

/**
 * A network with a checkpoint's weights, which are not copied. Names are the specification's (its `names` say where the checkpoint's
 * differ); a prefix that stands before every name (`module.`, `_orig_mod.`, `model.`, `net.`) is seen through.
 * @throws MISSING_PARAMETERS and SHAPE_MISMATCH listing everything at once; what does not compose, as the layers throw.
 */
export function importNetwork(
  spec: Spec,
  tensors: ReadonlyMap<string, AnyTensor>,
  target: Target = {},
  file?: string,
  partial = false,
): Network {
  const { names, keepNames } = spec;
  const root = fromCheckpoint(tensors, { dtype: computeDType(spec), file, partial, names, keepNames });
  return assemble(spec, root, target, file);
}

function assemble(spec: Spec, root: Module, target: Target, file: string | undefined): Network {
  const { inputs, outputs } = compose(spec, root, file);
  return network(root, { name: spec.name, inputs, outputs, ...target });
}

/**
 * The model of what was built on a root module, with what became of its parameters: `model` for layers.
 * @throws MISSING_PARAMETERS and SHAPE_MISMATCH listing everything that does not fit the checkpoint, and what `model` throws.
 */
export function network(root: Module, spec: Omit<ModelSpec, 'metadata'>): Network {
  const finished = root.finish();
  const { state, tied } = finished;
  const metadata = {
    ...(state.length === 0 ? {} : { [stateKey]: JSON.stringify(state) }),
    ...(Object.keys(tied).length === 0 ? {} : { [tiedKey]: writeTied(tied) }),
  };
  return { model: model({ ...spec, metadata }), ...finished };
}

/** bfloat16 networks run widened: ONNX Runtime's CPU has no bfloat16 kernels for what they need. */
function computeDType(spec: Spec): 'float32' | 'float16' | 'float64' {
  const dtype = declaredDType(spec);
  return dtype === 'bfloat16' ? 'float32' : dtype;
}
