import type { Model } from '../graph/graph.ts';
import { sitesOf } from './sites.ts';

/** Metadata key of a model's HJ sites: JSON, one entry per site, as `inspect` describes them. */
export const sitesKey = 'hopfcole.sites';

/** The model with its HJ reading as metadata, so that it outlives inlining; unchanged where it has no sites. */
export function withReading(model: Model): Model {
  const sites = sitesOf(model).map(({ node: _node, ...site }) => site);
  if (sites.length === 0) return model;
  return { ...model, metadata: new Map([...model.metadata, [sitesKey, JSON.stringify(sites)]]) };
}
