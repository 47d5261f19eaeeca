import type { HopfcoleError } from '../../files/error.ts';
import type { PyValue } from './value.ts';

/** An honest pickler empties its stack every thousand items, tuples aside. */
const stackLimit = 250_000;

/** The stack, the marks on it and the memo of a pickle machine. What is taken must be there: BAD_PICKLE otherwise. */
export class Stack {
  readonly #values: PyValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo: PyValue[] = [];
  #memoized = 0;
  readonly #memoLimit: number;
  readonly #bad: (message: string) => HopfcoleError;

  constructor(pickleLength: number, bad: (message: string) => HopfcoleError) {
    this.#memoLimit = pickleLength;
    this.#bad = bad;
  }

  /** Whether nothing is left: no value and no open mark. */
  isEmpty(): boolean {
    return this.#values.length === 0 && this.#marks.length === 0;
  }

  push(value: PyValue): void {
    if (this.#values.length >= stackLimit) throw this.#bad('the stack grows beyond all measure');
    this.#values.push(value);
  }

  pop(): PyValue {
    if (this.#values.length <= (this.#marks.at(-1) ?? 0)) throw this.#bad('the stack is empty');
    return this.#values.pop() as PyValue;
  }

  popMany(count: number): PyValue[] {
    if (this.#values.length - count < (this.#marks.at(-1) ?? 0))
      throw this.#bad('it takes more from the stack than is there');
    return this.#values.splice(this.#values.length - count, count);
  }

  top(): PyValue {
    if (this.#values.length <= (this.#marks.at(-1) ?? 0)) throw this.#bad('the stack is empty');
    return this.#values[this.#values.length - 1] as PyValue;
  }

  mark(): void {
    if (this.#marks.length >= stackLimit) throw this.#bad('marks upon marks, beyond all measure');
    this.#marks.push(this.#values.length);
  }

  popMark(): PyValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#bad('a group ends that did not begin');
    return this.#values.splice(mark);
  }

  /** POP takes a value, or a mark where one is on top. */
  drop(): void {
    if (this.#marks.at(-1) === this.#values.length) this.#marks.pop();
    else this.pop();
  }

  put(index: number): void {
    if (!(index >= 0 && index <= this.#memoLimit)) throw this.#bad(`memo index ${index} is out of range`);
    if (this.#memo[index] === undefined) this.#memoized += 1;
    this.#memo[index] = this.top();
  }

  /** MEMOIZE counts for itself. */
  memoize(): void {
    this.put(this.#memoized);
  }

  get(index: number): PyValue {
    const value = this.#memo[index];
    if (value === undefined) throw this.#bad(`memo ${index} was never put`);
    return value;
  }
}
