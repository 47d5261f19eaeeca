import type { Lowering, Rules } from '../lower/rule.ts';
import { arithmeticRules } from './arithmetic.ts';
import { choiceRules } from './choices.ts';
import { comparisonRules } from './comparisons.ts';
import { divisionRules } from './division.ts';
import { elementaryRules } from './elementary.ts';
import { specialRules } from './special.ts';

/** Second names of operators: their overloads are those of the first. */
const sameAs: Readonly<Record<string, string>> = {
  absolute: 'abs',
  arccos: 'acos',
  arccosh: 'acosh',
  arcsin: 'asin',
  arcsinh: 'asinh',
  arctan: 'atan',
  arctan2: 'atan2',
  arctanh: 'atanh',
  clip: 'clamp',
  divide: 'div',
  fix: 'trunc',
  greater: 'gt',
  greater_equal: 'ge',
  less: 'lt',
  less_equal: 'le',
  multiply: 'mul',
  negative: 'neg',
  not_equal: 'ne',
  special_digamma: 'digamma',
  special_erf: 'erf',
  special_erfc: 'erfc',
  special_erfinv: 'erfinv',
  special_exp2: 'exp2',
  special_expit: 'sigmoid',
  special_expm1: 'expm1',
  special_gammaln: 'lgamma',
  special_log1p: 'log1p',
  special_logit: 'logit',
  special_psi: 'digamma',
  special_round: 'round',
  special_sinc: 'sinc',
  subtract: 'sub',
  true_divide: 'div',
};

const known: Rules = {
  ...elementaryRules,
  ...specialRules,
  ...arithmeticRules,
  ...divisionRules,
  ...comparisonRules,
  ...choiceRules,
};

function named(alias: string, original: string): [string, Lowering][] {
  return Object.entries(known)
    .filter(([target]) => target.startsWith(`aten.${original}.`))
    .map(([target, rule]) => [target.replace(original, alias), rule]);
}

/** Operators that PyTorch has under two names. */
export const aliasRules: Rules = Object.fromEntries(
  Object.entries(sameAs).flatMap(([alias, original]) => named(alias, original)),
);
