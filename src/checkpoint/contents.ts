import { HopfcoleError } from '../files/error.ts';
import type { Change } from '../files/npz.ts';
import type { AnyTensor } from '../files/tensor.ts';
import type { Leaf, PyValue } from './pickle/value.ts';
import { chooseState, type State, type StateOptions } from './state.ts';
import type { Storages } from './storages.ts';
import { tensorOf } from './tensors.ts';

export type OnProblem = (problem: HopfcoleError) => void;

/** What a reader of one format gives. */
export interface Contents {
  readonly tensors: Map<string, AnyTensor>;
  /** Plain values that stand beside the tensors: the epoch, the text of `__metadata__`. */
  readonly metadata: Map<string, string | number | boolean | null>;
  /** Tensors that are given in another form than the file's (quantised, sparse, complex32, subclasses), and why. */
  readonly changed?: readonly Change[];
  /** Names of code that the file mentions, classes above all; nothing was looked up or run. */
  readonly code?: readonly string[];
}

/** A pickle that was read, and where its storages are. */
export interface Opened {
  readonly value: PyValue;
  readonly strangers: ReadonlySet<string>;
  readonly storages: Storages;
}

/** The tensors of the state dict that a checkpoint's pickle holds. @throws what `chooseState` and `tensorOf` throw. */
export function contentsOf(opened: Opened, file: string, options: StateOptions, onProblem: OnProblem): Contents {
  const { leaves, metadata }: State = chooseState(opened.value, file, options);
  return { ...tensorsOf(leaves, opened.storages, file, onProblem), metadata, code: [...opened.strangers].sort() };
}

/** Leaves as tensors; what is wrong with one goes to `onProblem`, and the others are still given. */
export function tensorsOf(
  leaves: ReadonlyMap<string, Leaf>,
  storages: Storages,
  file: string,
  onProblem: OnProblem,
): { tensors: Map<string, AnyTensor>; changed: Change[] } {
  const tensors = new Map<string, AnyTensor>();
  const changed: Change[] = [];
  for (const [name, leaf] of leaves) {
    try {
      const given = tensorOf(leaf, storages, file);
      tensors.set(name, given.tensor);
      if (given.changed !== undefined) changed.push({ name, why: given.changed });
    } catch (problem) {
      if (!(problem instanceof HopfcoleError)) throw problem;
      onProblem(problem.at({ file, tensor: name.slice(0, 200) }));
    }
  }
  return { tensors, changed };
}
