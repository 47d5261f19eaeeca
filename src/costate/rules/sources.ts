import { type Rule, zero } from '../call.ts';

/** Operators of whose input only the shape matters, or that draw by it. */
export const sourceRules: Readonly<Record<string, Rule>> = {
  EyeLike: zero('0: only the shape matters'),
  RandomNormalLike: zero('0: only the shape matters'),
  RandomUniformLike: zero('0: only the shape matters'),
  Bernoulli: zero('0: what is drawn is 0 or 1'),
};
