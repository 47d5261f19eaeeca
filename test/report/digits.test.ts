import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { digitsReport } from '../../src/report/digits.ts';
import type { DigitsData } from '../../src/report/digits-data.ts';
import { hasPython, python, pythonFile } from '../support/python.ts';
import { sample } from './sample.ts';
import { readMarkup } from './wellformed.ts';

const root = join(import.meta.dirname, '../..');
const browser = '/usr/bin/chromium';
const hostile = `</style><script>alert(1)</script><img src=x onerror="alert('2')">&amp;"' \u202e\u0000 ${'9'.repeat(300)}`;

function body(report: string) {
  return readMarkup(report.replace(/<style>[^<]*<\/style>/, '<style></style>'));
}

describe('the digits report', () => {
  it('is well-formed, described and captioned', () => {
    const { tags } = body(digitsReport(sample()));
    const unnamed = tags.filter(
      ({ name, attributes }) =>
        name === 'svg' && !attributes.has('aria-label') && attributes.get('aria-hidden') !== 'true',
    );
    expect(unnamed).toEqual([]);
    const count = (name: string) => tags.filter((tag) => tag.name === name).length;
    expect(count('figure')).toBeGreaterThan(12);
    expect(count('figcaption')).toBe(count('figure'));
    expect(count('h1')).toBe(1);
  });

  it('has only links within itself, each to a section that is there', () => {
    const { tags } = body(digitsReport(sample()));
    const ids = tags.flatMap(({ attributes }) => attributes.get('id') ?? []);
    const links = tags.flatMap(({ attributes }) => attributes.get('href') ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    expect(links.length).toBeGreaterThan(3);
    expect(links.filter((link) => !ids.includes(link.slice(1)))).toEqual([]);
  });

  it('asks for nothing from outside and runs nothing', () => {
    const report = digitsReport(sample());
    expect(report).not.toMatch(/https?:|\bsrc=|url\(|@import|<script|<link/);
    expect(report).toContain("default-src 'none'");
  });

  it('keeps a hostile label a label', () => {
    const report = digitsReport(sample(hostile));
    const { tags, text } = body(report);
    const allowed = new Set(body(digitsReport(sample())).tags.map((tag) => tag.name));
    expect(tags.filter((tag) => !allowed.has(tag.name))).toEqual([]);
    expect(tags.some(({ attributes }) => [...attributes.keys()].some((key) => key.startsWith('on')))).toBe(false);
    expect(text).toContain(`<script>alert(1)</script>`);
    expect(report).not.toContain('\u202e');
    expect(report).not.toContain('\u0000');
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -1, 1e300, -1e300, 5e-324])(
    'draws every number being %d',
    (value) => {
      const report = digitsReport(sample('label', value));
      const { tags } = body(report);
      const drawn = tags.flatMap(({ attributes }) =>
        [...attributes].filter(([key]) => key !== 'aria-label').map(([, v]) => v),
      );
      expect(drawn.filter((v) => /NaN|Infinity|undefined|null/.test(v))).toEqual([]);
      expect(report).not.toMatch(/undefined|\[object/);
    },
  );

  it('draws what is empty', () => {
    const empty = {
      ...sample(),
      cases: [],
      effectiveAtoms: [],
      agreement: [],
      timings: [],
      confusion: { labels: [], counts: [] },
    };
    expect(() => body(digitsReport(empty))).not.toThrow();
    const bare = sample().cases.map((item) => ({ ...item, atoms: [], sweep: [], classes: [], f: [] }));
    expect(() => body(digitsReport({ ...sample(), cases: bare }))).not.toThrow();
  });

  it('says that a tolerance is missed', () => {
    const missed = { ...sample(), agreement: [{ quantity: 'f', provider: 'CPU', error: Number.NaN, tolerance: 1e-5 }] };
    expect(body(digitsReport(missed)).text).toContain('not all within tolerance');
    expect(body(digitsReport(missed)).text).toContain('differs');
  });

  it('says where the answer changes with epsilon', () => {
    expect(body(digitsReport(sample())).text).toContain('The answer is label until ε = 1.0, then label 2.');
  });

  it('is the same text for the same data', () => {
    expect(digitsReport(sample())).toBe(digitsReport(structuredClone(sample())));
  });
});

describe.skipIf(!hasPython)('the digits report of the committed network', () => {
  const data = () =>
    JSON.parse(pythonFile(join(root, 'test/report/digits_data.py'), [join(root, 'fixtures/digits')])) as DigitsData;

  it('is XML to an independent parser, and says the numbers that numpy computed', () => {
    const given = data();
    const report = digitsReport(given);
    expect(report.length).toBeLessThan(400_000);
    const text = python(
      'import sys, xml.etree.ElementTree as tree\nprint("".join(tree.fromstring(sys.stdin.buffer.read().decode()).itertext()))',
      [],
      report.replace('<!DOCTYPE html>', '').trimStart(),
    );
    expect(text).toContain('97.2 %');
    expect(text).toContain('350 of 360 images');
    for (const item of given.cases) {
      expect(text).toContain(item.title);
      for (const atom of item.atoms) expect(text).toContain(`${(atom.weight * 100).toFixed(1)} %`);
    }
  }, 60_000);

  it.skipIf(!existsSync(browser))(
    'fits a wide window and a phone in a browser, with no request and no complaint',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'hopfcole-report-'));
      const engine = await chromium.launch({ executablePath: browser, args: ['--no-sandbox', '--disable-gpu'] });
      try {
        const file = join(folder, 'report.html');
        writeFileSync(file, digitsReport(data()));
        for (const width of [1280, 768, 390, 340]) {
          const view = await engine.newPage({ viewport: { width, height: 800 } });
          const complaints: string[] = [];
          view.on('console', (message) => complaints.push(message.text()));
          view.on('pageerror', (error) => complaints.push(error.message));
          view.on('request', (request) => {
            if (!request.url().startsWith('file:')) complaints.push(request.url());
          });
          await view.goto(pathToFileURL(file).href);
          const wide = await view.evaluate(() => document.documentElement.scrollWidth);
          expect({ width, wide, complaints }).toEqual({ width, wide: width, complaints: [] });
          await view.close();
        }
      } finally {
        await engine.close();
        rmSync(folder, { recursive: true, force: true });
      }
    },
    120_000,
  );
});
