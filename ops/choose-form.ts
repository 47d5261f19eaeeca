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

/** From so many logits on, they no longer fit the caches, and blocks win. */
const manyLogits = 1 << 23;
/** Logits of one block: 4 MB of float32. */
const blockLogits = 1 << 20;

/**
 * The form for so many rows and atoms, from measurements on a CPU with two threads (bench/operators.ts).
 * A number of rows that is not known is taken as 256.
 */
export function chooseForm({ B, N, purpose = 'costate' }: Sizes): ChosenForm {
  if (typeof N !== 'number') return { form: 'streamed', blockSize: 4096 };
  const rows = typeof B === 'number' ? Math.max(B, 1) : 256;
  // Attribution holds about twice as many copies of a block's logits.
  const perBlock = purpose === 'attribution' ? blockLogits / 2 : blockLogits;
  const blockSize = Math.min(16384, Math.max(1024, 2 ** Math.round(Math.log2(perBlock / rows))));
  const many = N * rows >= manyLogits || N >= 65536;
  return { form: many && N > blockSize ? 'blocked' : 'dense', blockSize };
}
