import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { imported, type Loose, withEntries, withJson } from './archives.ts';

/** What stands in the place of a value of a program's JSON. */
const strange = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    '',
    'x',
    -1,
    0,
    1,
    2 ** 40,
    1e300,
    0.5,
    [],
    {},
    [[]],
    { as_int: -3 },
    { as_none: true },
  ),
  fc.constantFrom('relu', 'x', 'aten', 'Infinity', 's0', "Symbol('s0')", 'FloorDiv(s0, 0)', '../../etc/passwd'),
  fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }),
);
const edit = fc.record({
  path: fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
  how: fc.constantFrom('replace', 'delete', 'repeat', 'swap'),
  value: strange,
});

/** Walks to some member of some object or list, and changes it. */
function changed(json: Loose, { path, how, value }: { path: number[]; how: string; value: unknown }): void {
  let here = json;
  for (const [depth, step] of path.entries()) {
    const keys = Object.keys(here);
    const key = keys[step % Math.max(1, keys.length)];
    if (key === undefined) return;
    const next = here[key];
    if (depth < path.length - 1 && typeof next === 'object' && next !== null && Object.keys(next).length > 0) {
      here = next;
      continue;
    }
    const other = keys[(step + 1) % keys.length] ?? key;
    if (how === 'delete') Array.isArray(here) ? here.splice(Number(key), 1) : delete here[key];
    else if (how === 'repeat' && Array.isArray(here)) here.push(structuredClone(next));
    else if (how === 'swap') [here[key], here[other]] = [here[other], here[key]];
    else here[key] = structuredClone(value);
    return;
  }
}

/** Imported and written, or refused as what it is: never another error, nothing for long. */
async function survives(bytes: Uint8Array): Promise<void> {
  const begun = performance.now();
  try {
    toProto((await imported(bytes)).model);
  } catch (error) {
    expect(error).toBeInstanceOf(HopfcoleError);
    expect((error as HopfcoleError).code).not.toBe('INTERNAL');
  }
  expect(performance.now() - begun).toBeLessThan(5000);
}

it.each([
  ['small', 'model.json'],
  ['small', 'weights_config.json'],
  ['branching', 'model.json'],
])(
  'programs with anything changed in their JSON are read or refused: %s, %s',
  async (fixture, entry) => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        const bytes = await withJson(fixture, entry, (json) => {
          for (const one of edits) changed(json, one);
        });
        await survives(bytes);
      }),
      { numRuns: 300 },
    );
  },
  120_000,
);

it('archives with any byte changed are read or refused', async () => {
  const good = await withEntries('small', () => {});
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(good.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      async (edits) => {
        const bytes = good.slice();
        for (const [at, byte] of edits) bytes[at] = byte;
        await survives(bytes);
      },
    ),
    { numRuns: 400 },
  );
}, 120_000);
