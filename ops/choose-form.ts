import type { Dim } from '../src/graph/type.ts';

/** How a body goes through the atoms: all at once, block after block unrolled, or block after block in a Scan. */
export type AtomForm = 'dense' | 'blocked' | 'streamed';

export interface Sizes {
  readonly B: Dim;
  readonly N: Dim;
  readonly d: Dim;
  /** Whether only f is asked for, p too, or all that Attribution gives. */
  readonly purpose?: 'value' | 'costate' | 'attribution';
}

export interface ChosenForm {
  readonly form: AtomForm;
  /** Atoms per block, where the form is blocked. */
  readonly blockSize: number;
}

/** From so many logits on, blocks win: at once for f; for p, which is two products, once the logits no longer fit the caches. */
const manyLogits = { value: 1 << 20, costate: 1 << 22, attribution: 1 << 22 } as const;
/** Logits of one block: 2 MB of float32. */
const blockLogits = 1 << 19;
/** So many blocks at most, about, for the size of the graph. */
const mostBlocks = 512;

/**
 * The form for so many rows and atoms, from measurements on a CPU with two threads (bench/operators.ts).
 * A number of rows that is not known is taken as 256.
 */
export function chooseForm({ B, N, purpose = 'costate' }: Sizes): ChosenForm {
  if (typeof N !== 'number') return { form: 'streamed', blockSize: 4096 };
  const rows = typeof B === 'number' ? Math.max(B, 1) : 256;
  const fitting = Math.min(16384, Math.max(512, blockLogits / rows));
  const blockSize = 2 ** Math.round(Math.log2(Math.max(fitting, N / mostBlocks)));
  const many = N * rows >= manyLogits[purpose] || N >= 65536;
  return { form: many && N > blockSize ? 'blocked' : 'dense', blockSize };
}
