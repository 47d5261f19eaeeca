import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { inferenceRules } from '../../src/graph/inference/table.ts';
import { describeType, type ValueType } from '../../src/graph/type.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { difference, type ModelFacts, type TypeFacts, typeOfFacts, valuesOfFacts } from './inference-facts.ts';

/** Every output of every node model of the ONNX backend corpus, as declared and as onnx.shape_inference has it. */
interface Case {
  readonly name: string;
  readonly operators: readonly string[];
  readonly standard: boolean;
  readonly ours: ValueType;
  readonly declared: TypeFacts | null;
  readonly theirs: TypeFacts | null | undefined;
}

/** Where onnx 1.23 itself contradicts the sizes its own reference computes (its STFT counts the frames' length as onesided twice). */
const onnxIsWrong = [/^test_stft(_with_window)? \(known\)/];

/** Where onnx says more because it trusts what is not certain. */
const onnxGuesses = [
  /** The declared output type of a Loop's body. */
  /^test_loop11\b/,
  /** The rank of a sequence's elements, though it began empty and any rank may have been inserted. */
  /^test_loop13_seq\b/,
  /^test_loop16_seq_none\b/,
  /^test_sequence_map_.*_expanded\b/,
];

/** Operators whose sizes depend on the values of tensors that are no small constants. */
const dataDependent = [
  ...['ImageDecoder', 'NonMaxSuppression', 'NonZero', 'StringNormalizer', 'StringSplit', 'Unique', 'Compress'],
  ...['Loop', 'SequenceAt', 'ConcatFromSequence'],
];

/** Operators the corpus has no node test of; inference-rules.test.ts has a case of each. */
const withoutNodeTest = [
  ...['Multinomial', 'RandomNormal', 'RandomNormalLike', 'RandomUniform', 'GlobalLpPool', 'MaxRoiPool'],
  ...['ConcatFromSequence', 'Optional', 'SequenceAt', 'SequenceConstruct', 'SequenceErase'],
];

describe.skipIf(!hasPython)('inference on the ONNX backend corpus', () => {
  const cases: Case[] = [];
  const failures: string[] = [];

  beforeAll(() => {
    const lines = pythonFile(join(import.meta.dirname, 'inference-facts.py'), ['corpus'])
      .trim()
      .split('\n');
    for (const line of lines) {
      const facts: ModelFacts = JSON.parse(line);
      try {
        const values = valuesOfFacts(facts.graph);
        const standard = facts.graph.nodes.every(({ domain }) => domain === '');
        const operators = facts.graph.nodes.map(({ opType }) => opType);
        for (const { name, type } of facts.graph.outputs)
          cases.push({
            name: `${facts.name} ${name}`,
            operators,
            standard,
            ours: values.get(name)?.type,
            declared: type,
            theirs: facts.inferred[name],
          });
      } catch (error) {
        failures.push(`${facts.name}: ${error}`);
      }
    }
  }, 120_000);

  const matches = (patterns: readonly RegExp[], name: string): boolean =>
    patterns.some((pattern) => pattern.test(name));

  it('refuses none of the models', () => {
    expect(failures).toEqual([]);
    expect(cases.length).toBeGreaterThan(4000);
  });

  it('never contradicts the declared outputs', () => {
    const wrong = cases.map(({ name, ours, declared }) => [name, difference(ours, typeOfFacts(declared)).wrong]);
    expect(wrong.filter(([, text]) => text !== '')).toEqual([]);
  });

  it('never contradicts onnx.shape_inference, but where that is wrong itself', () => {
    const wrong = cases
      .filter(({ name }) => !matches(onnxIsWrong, name))
      .map(({ name, ours, theirs }) => [name, difference(ours, typeOfFacts(theirs)).wrong]);
    expect(wrong.filter(([, text]) => text !== '')).toEqual([]);
  });

  it('says at least what onnx.shape_inference says of standard operators', () => {
    const less = cases
      .filter(({ name, standard }) => standard && !matches(onnxGuesses, name))
      .map(({ name, ours, theirs }) => [name, difference(ours, typeOfFacts(theirs)).less]);
    expect(less.filter(([, text]) => text !== '')).toEqual([]);
  });

  it('knows every size where shapes, axes and the like are constants', () => {
    const open = cases
      .filter(({ name, standard }) => standard && name.includes(' (known) ') && !matches(onnxGuesses, name))
      .filter(({ operators }) => !operators.some((operator) => dataDependent.includes(operator)))
      .filter(({ ours, declared }) => difference(ours, typeOfFacts(declared)).less !== '')
      .map(({ name, ours }) => `${name}: ${describeType(ours)}`);
    expect(open).toEqual([]);
  });

  it('meets every operator that has a rule, but those that have no node test', () => {
    const seen = new Set(cases.flatMap(({ operators }) => operators));
    expect(
      Object.keys(inferenceRules)
        .filter((operator) => !seen.has(operator))
        .sort(),
    ).toEqual([...withoutNodeTest].sort());
  });
});
