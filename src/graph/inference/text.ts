import type { InferRule } from '../rule.ts';
import { intsAttribute } from './attributes.ts';
import { checkRank, shapeOf, tensor } from './call.ts';

const regexFullMatch: InferRule = (call) => [tensor('bool', shapeOf(call, 0))];

/** [C] or [1, C] to as many strings as are no stop words. */
const normaliser: InferRule = (call) => {
  checkRank(call, 0, 'X', [1, 2]);
  const rank = shapeOf(call, 0)?.length;
  return [tensor('string', rank === undefined ? undefined : rank === 2 ? [1, undefined] : [undefined])];
};

const splitter: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  return [tensor('string', shape && [...shape, undefined]), tensor('int64', shape)];
};

const vectoriser: InferRule = (call) => {
  checkRank(call, 0, 'X', [1, 2]);
  const indexes = intsAttribute(call, 'ngram_indexes');
  const size = indexes?.reduce((most, index) => Math.max(most, index + 1), 0);
  const shape = shapeOf(call, 0);
  return [tensor('float32', shape && [...shape.slice(0, -1), size])];
};

export const textRules: Readonly<Record<string, InferRule>> = {
  RegexFullMatch: regexFullMatch,
  StringNormalizer: normaliser,
  StringSplit: splitter,
  TfIdfVectorizer: vectoriser,
};
