/**
 * Bounds a walk over values that may be shared: one thing may stand in many places, but not in so many that their number explodes. What
 * is met is held against how much there is in truth.
 */
export class Places {
  readonly #seen = new Set<object>();
  #met = 0;
  #things = 0;

  /** Whether it is still sensible to walk into a container of so many members. */
  enter(container: object, members: number): boolean {
    if (!this.#seen.has(container)) {
      this.#seen.add(container);
      this.#things += 1 + members;
    }
    this.#met += 1 + members;
    return this.#met <= 20_000 + 20 * this.#things;
  }
}
