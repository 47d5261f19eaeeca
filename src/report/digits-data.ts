import type { Picture } from './picture.ts';

/** One training image that took part in a decision. */
interface DecidingAtom {
  /** The training image the atom began as. */
  readonly image: Picture;
  /** Such as `training image 512`. */
  readonly label: string;
  /** Its Gibbs weight, 0 to 1. */
  readonly weight: number;
  /** The score without the atom minus the score: never positive. */
  readonly leaveOneOut: number;
}

/** The same query at another temperature, the weights unchanged. */
export interface SweepPoint {
  readonly epsilon: number;
  /** Score of the class that was decided at the trained epsilon. */
  readonly f: number;
  readonly entropy: number;
  readonly effectiveAtoms: number;
  /** Weights of the case's `atoms`, in their order (at the trained epsilon). */
  readonly topWeights: readonly number[];
  /** The class decided at this epsilon. */
  readonly decided?: string | undefined;
}

export interface DigitsCase {
  readonly title: string;
  /** The network's input itself (pixels 0 to 1), so that |x|^2 can be formed. */
  readonly image: Picture;
  readonly label: string;
  readonly predicted: string;
  readonly classes: readonly string[];
  /** Score of each class, in the order of `classes`. */
  readonly f: readonly number[];
  readonly epsilon: number;
  /** Entropy of pi of the decided class, in nats. */
  readonly entropy: number;
  readonly effectiveAtoms: number;
  /** Atoms of the decided class altogether. */
  readonly atomCount: number;
  /** The leading atoms, heaviest first. */
  readonly atoms: readonly DecidingAtom[];
  /** A signed map over the pixels and what it is, such as the difference of two classes' gradients. */
  readonly costate: { readonly map: Picture; readonly caption: string };
  /** In rising order of epsilon, best spaced evenly in log epsilon from about 1/25 to 10 times the trained one; empty: no charts. */
  readonly sweep: readonly SweepPoint[];
}

export interface DigitsData {
  readonly title?: string | undefined;
  readonly network: {
    readonly trainingImages: number;
    readonly classes: number;
    readonly atoms: number;
    readonly epsilon: number;
  };
  readonly tested: number;
  readonly correct: number;
  /** Such as `CPU` or `WebGPU`, and with what. */
  readonly provider: string;
  readonly runtime: string;
  /** Shown in order; the first makes the header picture. */
  readonly cases: readonly DigitsCase[];
  readonly confusion: { readonly labels: readonly string[]; readonly counts: readonly (readonly number[])[] };
  /** exp(H) of the decided class for every test image. */
  readonly effectiveAtoms: readonly number[];
  readonly agreement: readonly {
    readonly quantity: string;
    readonly provider: string;
    readonly error: number;
    readonly tolerance: number;
  }[];
  /** The first stands among the key figures. */
  readonly timings: readonly {
    readonly what: string;
    readonly milliseconds: number;
    readonly note?: string | undefined;
  }[];
  /** Lines at the foot of the page: data and licence, versions, files. */
  readonly provenance: readonly string[];
}
