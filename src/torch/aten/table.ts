import type { Call } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Rules, ViewRules } from '../lower/rule.ts';
import type { GraphScope, Report } from '../lower/scope.ts';
import { elementwiseRules } from './elementwise.ts';
import { linearRules } from './linear.ts';
import { symbolicRules } from './symbolic.ts';
import { viewRules as structuralViews } from './views.ts';

/** Every operator that is lowered, by target: one family a file. */
export const rules: Rules = { ...symbolicRules, ...elementwiseRules, ...linearRules };

/** Operators whose result shares its input's memory. */
export const viewRules: ViewRules = { ...structuralViews };

/** Operators on complex tensors, for which those of reals do not do. */
export const complexRules: Rules = {};

/** Operators that move elements, or treat them linearly: on complex tensors they do the same to both parts. */
export const componentwise: ReadonlySet<string> = new Set();

/** Operators with graphs as arguments. */
export const higherOrder: Readonly<
  Record<string, (call: Call, scope: GraphScope, report: Report) => Result | readonly Result[]>
> = {};
