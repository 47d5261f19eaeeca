import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAtomNames } from '../../src/cli/atom-names.ts';
import { attribute } from '../../src/cli/commands/attribute.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { readArrays, writeOutputs } from '../../src/cli/tensor-files.ts';
import { fromNumbers, stringTensor, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { perform } from '../support/command.ts';
import { hasPython, python } from '../support/python.ts';
import { readMarkup } from './wellformed.ts';

const browser = '/usr/bin/chromium';
const digits = join(import.meta.dirname, '../../fixtures/digits');
const folder = mkdtempSync(join(tmpdir(), 'hopfcole-attribution-page-'));
const at = (name: string) => join(folder, name);
const test = join(digits, 'test.npz');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  const spec = join(digits, 'digits_lse.json');
  await perform(importWeights, { file: join(digits, 'digits_lse.pt'), spec, output: at('digits.onnx') });
});

async function page(model: string, input: string, args: Record<string, unknown> = {}): Promise<string> {
  const output = at('page.html');
  const { json } = await perform(attribute, { model, input, output, ep: 'cpu', ...args });
  expect(json.output).toBe(output);
  return readFileSync(output, 'utf8');
}

const read = (report: string) => readMarkup(report.replace(/<style>[^<]*<\/style>/, '<style></style>'));
const plain = (report: string) => read(report).text.replace(/\s+/g, ' ');
const percent = (value: number) => (value < 0.0005 ? '< 0.1 %' : `${(value * 100).toFixed(1)} %`);

/** Arrays of the fixture as numbers. */
async function fixture(file: string, ...names: string[]): Promise<Float64Array[]> {
  const arrays = await readArrays(join(digits, file));
  return names.map((name) => toNumbers(arrays.get(name) ?? fromNumbers('float32', [0], [])));
}

describe('attribute -o page.html on the digits network', () => {
  it('shows of each image the class PyTorch decided, with its weights', async () => {
    const [decided, index, weight, effective] = (await fixture(
      'expected.npz',
      'decided_float64',
      'index_float64',
      'weight_float64',
      'effective_atoms_float64',
    )) as [Float64Array, Float64Array, Float64Array, Float64Array];
    const report = await page(at('digits.onnx'), test);
    const text = plain(report);
    const parts = text.split(/Query \d+head/).slice(1);
    expect(parts).toHaveLength(12);
    parts.forEach((part, row) => {
      expect(part).toContain(` ${decided[row]}, the largest f of 10`);
      expect(part).toContain(`atom ${index[row * 10]}, has a weight of ${percent(weight[row * 10] ?? 0)}`);
      expect(part).toContain(`among ${effective[row]?.toPrecision(3)} of 64 atoms`);
      for (let k = 0; k < 10; k++)
        expect(part).toContain(`atom ${index[row * 10 + k]}${percent(weight[row * 10 + k] ?? 0)}`);
    });
    expect(text).toContain('348 more queries are counted');
    expect(text).toContain('Viscosityε = 0.2500');
    expect(report).not.toMatch(/https?:|\bsrc=|url\(|@import|<script|<link/);
    expect(await page(at('digits.onnx'), test)).toBe(report);
  }, 60_000);

  it('shows the training images and their names', async () => {
    const [images, atoms, labels] = (await fixture('digits.npz', 'images', 'atoms', 'labels')) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const pixels = Float64Array.from(atoms).reduce<number[]>(
      (all, image) => all.concat([...images.subarray(image * 64, image * 64 + 64)]),
      [],
    );
    const names = [...atoms].map((image) => `image ${image}, a ${labels[image]}`);
    await writeOutputs(
      at('atoms.npz'),
      new Map<string, Tensor>([
        ['pictures', fromNumbers('uint8', [10, 64, 8, 8], pixels)],
        ['labels', stringTensor([10, 64], names)],
      ]),
    );
    const [decided, index] = (await fixture('expected.npz', 'decided_float64', 'index_float64')) as [
      Float64Array,
      Float64Array,
    ];
    const report = await page(at('digits.onnx'), test, { atoms: at('atoms.npz') });
    const { tags, text } = read(report);
    const shown = tags.filter(({ attributes }) => /, weight [\d<]/.test(attributes.get('aria-label') ?? ''));
    expect(shown).toHaveLength(120);
    shown.forEach(({ attributes }, i) => {
      const row = Math.floor(i / 10);
      const name = names[(decided[row] ?? 0) * 64 + (index[row * 10 + (i % 10)] ?? 0)];
      expect(attributes.get('aria-label')).toContain(`${name}, weight`);
    });
    expect(text).not.toContain('atom 0,');
    // The same pictures flat, and as one list of 640, are the same page.
    for (const shape of [
      [10, 64, 64],
      [640, 64],
      [640, 8, 8],
    ]) {
      const arrays = new Map([
        ['pictures', fromNumbers('uint8', shape, pixels)],
        ['labels', stringTensor([640], names)],
      ]);
      await writeOutputs(at('atoms.npz'), arrays);
      expect(await page(at('digits.onnx'), test, { atoms: at('atoms.npz') })).toBe(report);
    }
  }, 60_000);

  it('survives an input that is not finite, and shows the rest of the batch', async () => {
    const x = toNumbers((await readArrays(test)).get('x') ?? fromNumbers('float32', [0], [])).subarray(0, 192);
    x[70] = Number.NaN;
    await writeOutputs(at('nan.npz'), new Map([['x', fromNumbers('float32', [3, 64], x)]]));
    const text = plain(await page(at('digits.onnx'), at('nan.npz')));
    expect(text).toContain('1 with a value that is not finite');
    expect(text.match(/The atoms that decided/g)).toHaveLength(2);
  });

  it.skipIf(!existsSync(browser))(
    'fits every window, with no request and no complaint',
    async () => {
      writeFileSync(
        at('names.csv'),
        Array.from({ length: 640 }, (_, i) => `"a long name, ${'x'.repeat(i % 90)} ${i}"`).join('\n'),
      );
      const files = new Map([
        ['pictures', await page(at('digits.onnx'), test, { atoms: at('atoms.npz') })],
        ['names', await page(at('digits.onnx'), test, { atoms: at('names.csv') })],
      ]);
      const engine = await chromium.launch({ executablePath: browser, args: ['--no-sandbox', '--disable-gpu'] });
      try {
        for (const [name, report] of files) {
          writeFileSync(at(`${name}.html`), report);
          for (const width of [1280, 700, 340]) {
            const view = await engine.newPage({ viewport: { width, height: 800 } });
            const complaints: string[] = [];
            view.on('console', (message) => complaints.push(message.text()));
            view.on('request', (request) => {
              if (!request.url().startsWith('file:')) complaints.push(request.url());
            });
            await view.goto(pathToFileURL(at(`${name}.html`)).href);
            const wide = await view.evaluate(() => document.documentElement.scrollWidth);
            // A number broken over lines cannot be read.
            const broken = await view.evaluate(
              () =>
                [...document.querySelectorAll('.grid .facts dd')].filter(
                  (cell) =>
                    cell.getClientRects().length > 0 &&
                    !cell.closest('.about') &&
                    cell.getBoundingClientRect().height > 60,
                ).length,
            );
            expect(broken).toBe(0);
            expect({ name, width, wide, complaints }).toEqual({ name, width, wide: width, complaints: [] });
            await view.close();
          }
        }
      } finally {
        await engine.close();
      }
    },
    120_000,
  );
});

describe('attribute -o page.html on small networks', () => {
  const numbers = (count: number) => Float64Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + 0.3));

  async function small(name: string, layers: object[], weights: Map<string, Tensor>, dim: number): Promise<string> {
    await writeOutputs(at(`${name}.npz`), weights);
    const inputs = [{ name: 'x', dtype: 'float32', shape: ['batch', dim] }];
    writeFileSync(at(`${name}.json`), JSON.stringify({ name, inputs, output: 'out', layers }));
    await perform(importWeights, { file: at(`${name}.npz`), spec: at(`${name}.json`), output: at(`${name}.onnx`) });
    await writeOutputs(at('in.npz'), new Map([['x', fromNumbers('float32', [3, dim], numbers(3 * dim))]]));
    return at(`${name}.onnx`);
  }

  const lse = (name: string, atoms: number, dim: number) =>
    small(
      name,
      [{ kind: 'lse', name: 'lse', dim, atoms, epsilon: 0.5 }],
      new Map([
        ['lse.weight', fromNumbers('float32', [atoms, dim], numbers(atoms * dim))],
        ['lse.bias', fromNumbers('float32', [atoms], numbers(atoms))],
      ]),
      dim,
    );

  it('draws bars where d is no square, and a single atom', async () => {
    const text = plain(await page(await lse('one', 1, 3), at('in.npz')));
    expect(text).toContain('Every component of p = ∇f');
    expect(text).toContain('The site has one atom, atom 0');
    expect(text).toContain('atom 0100.0 %−∞');
  });

  it('takes the grid of the pictures where d is no square, and refuses pictures of text', async () => {
    const model = await lse('wide', 4, 6);
    await writeOutputs(at('wide-atoms.npz'), new Map([['a', fromNumbers('float32', [4, 2, 3], numbers(24))]]));
    expect(plain(await page(model, at('in.npz'), { atoms: at('wide-atoms.npz') }))).toContain('on a grid of 3 × 2');
    await writeOutputs(at('text.npz'), new Map([['a', stringTensor([4, 2, 3], Array(24).fill('x'))]]));
    await expect(page(model, at('in.npz'), { atoms: at('text.npz') })).rejects.toMatchObject({ code: 'BAD_SHAPE' });
  });

  it('names the classes of a softmax head', async () => {
    const weights = new Map([
      ['fc.weight', fromNumbers('float32', [4, 3], numbers(12))],
      ['fc.bias', fromNumbers('float32', [4], numbers(4))],
    ]);
    const layers = [
      { kind: 'linear', name: 'fc', in: 3, out: 4 },
      { kind: 'softmax', name: 'soft', epsilon: 1 },
    ];
    const model = await small('head', layers, weights, 3);
    writeFileSync(at('classes.csv'), 'name,id\nant,1\n"bee, honey",2\ncat,3\n"d""og",4\n');
    const text = plain(await page(model, at('in.npz'), { atoms: at('classes.csv') }));
    expect(text).toContain('Kindsoftmax head');
    for (const name of ['ant', 'bee, honey', 'cat', 'd"og']) expect(text).toContain(name);
    expect(text).not.toContain('class 0');
    // The probabilities by another route: the logits in float64.
    const [w, b, x] = [numbers(12), numbers(4), numbers(9)].map((v) => v.map(Math.fround)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const z = [0, 1, 2, 3].map((j) => [0, 1, 2].reduce((sum, i) => sum + (w[j * 3 + i] ?? 0) * (x[i] ?? 0), b[j] ?? 0));
    const whole = z.reduce((sum, value) => sum + Math.exp(value), 0);
    const first = text.slice(text.indexOf('Query 0'), text.indexOf('Query 1', text.indexOf('The atoms that decided')));
    for (const value of z) expect(first).toContain(percent(Math.exp(value) / whole));
  });
});

describe('--atoms', () => {
  const labelsOf = async (content: string | Uint8Array, count = { atoms: 2 }) => {
    writeFileSync(at('l.csv'), content);
    const names = await readAtomNames(at('l.csv'), count);
    return Array.from({ length: count.atoms }, (_, i) => names.label(i));
  };

  it('reads back any labels, quoted as a CSV writer does', async () => {
    const label = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => text === text.trim() && !text.includes('\ufeff'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(label, { minLength: 1, maxLength: 8 }),
        fc.constantFrom('\n', '\r\n'),
        async (labels, end) => {
          const lines = labels.map((text) => `"${text.replaceAll('"', '""')}",7,"a, b"`);
          expect(await labelsOf(lines.join(end) + end, { atoms: labels.length })).toEqual(labels);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.skipIf(!hasPython)('reads what Python’s csv module writes', async () => {
    const made = python(
      "import csv, sys\nw = csv.writer(sys.stdout)\nw.writerow(['label', 'n'])\nfor i, t in enumerate(['a,b', 'say \"hi\"', 'two\\nlines', 'plain']): w.writerow([t, i])",
    );
    expect(await labelsOf(made, { atoms: 4 })).toEqual(['a,b', 'say "hi"', 'two\nlines', 'plain']);
  });

  it('never does anything but read labels or say what is wrong', async () => {
    const piece = fc.constantFrom('"', ',', '\n', '\r', 'a', '""', ' ', '\ufeff', '\0');
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
        const got = await labelsOf(pieces.join('')).catch((error: { code?: string }) => error.code);
        expect(Array.isArray(got) || got === 'BAD_CSV' || got === 'BAD_COUNT').toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ['a\n', 'BAD_COUNT', 'expected 2 labels, got 1'],
    ['a\nb\nc\nd\n', 'BAD_COUNT', 'expected 2 labels, got 4'],
    ['', 'BAD_COUNT', 'expected 2 labels, got 0'],
    ['"a\nb\n', 'BAD_CSV', 'quote'],
    [Uint8Array.of(0xff, 0xfe, 0x0a), 'BAD_CSV', 'UTF-8'],
  ])('refuses %j', async (content, code, message) => {
    await expect(labelsOf(content)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it('refuses arrays of the wrong count or form, naming expected and got', async () => {
    const read = async (shape: number[], count: { atoms: number; heads?: number }, name = 'a') => {
      const size = shape.reduce((a, b) => a * b, 1);
      await writeOutputs(at('p.npz'), new Map([[name, fromNumbers('float32', shape, new Float64Array(size))]]));
      return readAtomNames(at('p.npz'), count).then(
        ({ grid }) => grid ?? 'labels',
        (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
      );
    };
    const bank = { atoms: 4, heads: 3 };
    expect(await read([5, 2, 2], { atoms: 4 })).toBe('BAD_COUNT: expected 4 pictures, got 5');
    expect(await read([4, 6], { atoms: 4 })).toMatch(/BAD_SHAPE: pictures of 6 values have no square form/);
    expect(await read([4], { atoms: 4 })).toMatch(/BAD_SHAPE: expected pictures \[N, h, w\].*got shape \[4\]/);
    expect(await read([4, 0, 0], { atoms: 4 })).toMatch(/BAD_SHAPE/);
    expect(await read([3, 5, 4], bank)).toMatch(/BAD_COUNT: expected 12 pictures \(3 heads of 4 atoms\), got/);
    expect(await read([3, 5, 2, 2], bank)).toMatch(/BAD_COUNT: expected 12 pictures \(3 heads of 4 atoms\), got 15/);
    expect(await read([4, 2, 2], bank)).toMatch(/BAD_COUNT: expected 12 pictures/);
    expect(await read([3, 4, 9], bank)).toEqual({ width: 3, height: 3 });
    expect(await read([12, 2, 5], bank)).toEqual({ width: 5, height: 2 });
    expect(
      await readAtomNames(at('p.npz'), { atoms: null, heads: 3 }).catch((error: { code: string }) => error.code),
    ).toBe('UNSUPPORTED_SITE');
    expect(await read([3, 4], bank, 'labels')).toBe('labels');
    expect(await read([11], bank, 'labels')).toMatch(/BAD_COUNT: expected 12 labels \(3 heads of 4 atoms\), got 11/);
  });
});
