import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { hasPython, python } from '../support/python.ts';

/** A graph, numbers for its inputs, and what PyTorch makes of the same numbers. */
export interface Compared {
  readonly name: string;
  readonly make: () => Model;
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** Body of a Python function: the inputs are float64 (or integer) tensors under their names; returns expected outputs by name. */
  readonly torch: string;
  readonly tolerance?: number;
}

type Answer = { readonly error?: string; readonly errors?: Readonly<Record<string, number | string>> };

/** Compares all of them in one Python process, and has one test for each. */
export function compared(title: string, cases: readonly Compared[]): void {
  describe.skipIf(!hasPython)(title, () => {
    let answers: readonly Answer[] = [];
    beforeAll(() => {
      answers = answersTo(cases);
    }, 600_000);
    it.each(cases.map((one, index) => [one.name, one, index] as const))('%s', (_, one, index) => {
      const { error, errors = {} } = answers[index] ?? {};
      expect(error).toBeUndefined();
      expect(Object.keys(errors).length).toBeGreaterThan(0);
      for (const [name, found] of Object.entries(errors)) expect(found, name).toBeLessThan(one.tolerance ?? 1e-5);
    });
  });
}

function answersTo(cases: readonly Compared[]): readonly Answer[] {
  const asked = cases.map((one) => {
    try {
      return {
        model: Buffer.from(encodeModel(toProto(one.make()))).toString('base64'),
        feeds: Object.fromEntries(
          Object.entries(one.feeds).map(([name, { dtype, shape, bytes }]) => [
            name,
            { dtype, shape, data: Buffer.from(bytes).toString('base64') },
          ]),
        ),
        torch: one.torch,
      };
    } catch (error) {
      return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  });
  const program = readFileSync(join(import.meta.dirname, 'compare.py'), 'utf8');
  const sent = asked.filter((one) => !('error' in one));
  const told = JSON.parse(python(program, [], JSON.stringify(sent))) as Answer[];
  let next = 0;
  return asked.map((one) => ('error' in one ? one : (told[next++] ?? {})));
}
