import type { Tensorial } from './item.ts';

/** How a tensor is a view of another: what it shows of its base, and the base once the view has been written to. */
export interface ViewOf {
  readonly base: Cell;
  readonly show: (base: Tensorial) => Tensorial;
  /** undefined: what is written through this view cannot be carried back. */
  readonly back: ((base: Tensorial, part: Tensorial) => Tensorial) | undefined;
}

/**
 * A tensor of the program: a place whose content in-place operators replace, as values of a graph never change. A view reads its base anew once
 * that was written to, and what is written to a view is written to its base: what PyTorch's functionalisation does.
 */
export class Cell {
  private content: Tensorial;
  private version = 0;
  private readonly view: ViewOf | undefined;
  private seen: number;

  constructor(content: Tensorial, view?: ViewOf) {
    this.content = content;
    this.view = view;
    this.seen = view?.base.current() ?? 0;
  }

  read(): Tensorial {
    const { view } = this;
    if (view === undefined) return this.content;
    const now = view.base.current();
    if (now !== this.seen) {
      this.content = view.show(view.base.read());
      this.seen = now;
    }
    return this.content;
  }

  /** Whether it, or what it is a view of, was written to. */
  get written(): boolean {
    return this.current() > 0;
  }

  /** Whether it shares the memory of another tensor. */
  get isView(): boolean {
    return this.view !== undefined;
  }

  /** The tensor whose memory it shows; its own, where it is no view. */
  get root(): Cell {
    return this.view?.base.root ?? this;
  }

  /** Whether a write reaches every tensor that shares this one's memory. */
  get writable(): boolean {
    return this.view === undefined || (this.view.back !== undefined && this.view.base.writable);
  }

  write(content: Tensorial): void {
    const { view } = this;
    if (view?.back !== undefined) view.base.write(view.back(view.base.read(), content));
    this.content = content;
    this.version += 1;
    this.seen = view?.base.current() ?? 0;
  }

  /** Goes up with every write to this tensor or to what it is a view of. */
  private current(): number {
    return this.version + (this.view?.base.current() ?? 0);
  }
}
