import { beforeAll, describe, expect, it } from 'vitest';
import { hasPython } from '../support/python.ts';
import { type CorpusEntry, corpus, families } from './corpus.ts';
import { judged } from './judge.ts';

/** What is known not to be as PyTorch has it, by program and variant, and why. */
const known: Readonly<Record<string, string>> = {};

/** PyTorch takes a second and more to export a program: CI judges all of them (HOPFCOLE_CORPUS=whole), a run on a person's machine every third. */
const every = process.env.HOPFCOLE_CORPUS === 'whole' ? 1 : 3;

describe.skipIf(!hasPython).each(families())('programs of %s', (family) => {
  let entries: CorpusEntry[] = [];
  beforeAll(async () => {
    entries = await corpus([family], true, every);
  }, 600_000);

  it('are exported, but for those PyTorch cannot export', () => {
    expect(entries.length).toBeGreaterThan(15 / every / 3);
    expect(entries.filter(({ variants }) => variants.length === 0).map(({ name, notes }) => [name, notes])).toEqual([]);
  });

  it.each(['traced', 'decomposed', 'strict'])(
    'equal PyTorch in outputs and gradients, %s',
    async (variant) => {
      const wrong: Record<string, unknown> = {};
      for (const entry of entries) {
        if (`${entry.name} ${variant}` in known) continue;
        const { failures } = await judged(entry, variant);
        if (failures.length > 0) wrong[entry.name] = failures;
      }
      expect(wrong).toEqual({});
    },
    300_000,
  );
});
