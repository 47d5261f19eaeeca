import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { layerKinds } from '../../src/layers/spec/kinds.ts';
import { layerPage, schemaPage } from '../support/layer-page.ts';

const written = (name: string) => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8');

it('docs/layers.md and docs/spec.schema.json are as the kinds are (npm run generate:docs)', () => {
  expect(written('layers.md')).toBe(layerPage());
  expect(JSON.parse(written('spec.schema.json'))).toEqual(JSON.parse(schemaPage()));
});

it('every kind says what it is', () => {
  expect([...layerKinds.values()].filter(({ about }) => about === '').map(({ kind }) => kind)).toEqual([]);
});
