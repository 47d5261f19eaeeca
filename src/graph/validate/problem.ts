import { describeWhere, HopfcoleError, type Where } from '../../files/error.ts';

/** Something about a model that is wrong ('error') or worth knowing ('info': the model is still valid). */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly where: Where;
  readonly hint: string;
  readonly severity: 'error' | 'info';
}

/** Beyond this many, a file is not worth describing further. */
const most = 100;

/** Collects problems in the order they are found. */
export class Problems {
  readonly found: Problem[] = [];
  private readonly told = new Set<string>();
  private errors = 0;

  error(code: string, message: string, where: Where = {}, hint = ''): void {
    this.add({ code, message, where, hint, severity: 'error' });
  }

  info(code: string, message: string, where: Where = {}, hint = ''): void {
    this.add({ code, message, where, hint, severity: 'info' });
  }

  /** An error that was thrown, as a problem; anything but a HopfcoleError is thrown on. */
  caught(error: unknown, where: Where = {}): void {
    if (!(error instanceof HopfcoleError)) throw error;
    const placed = error.at(where);
    this.error(placed.code, placed.message, placed.where, placed.hint);
  }

  get hasErrors(): boolean {
    return this.errors > 0;
  }

  /** Whether looking further would add nothing that is kept. */
  get full(): boolean {
    return this.found.length >= most || this.errors >= 10 * most;
  }

  private add(problem: Problem): void {
    const key = `${problem.code} ${problem.message} ${describeWhere(problem.where)}`;
    if (problem.severity === 'error') this.errors++;
    if (this.told.has(key) || this.full) return;
    this.told.add(key);
    this.found.push(problem);
  }
}
