import type { Check } from '../../src/analysis/identities.ts';
import { independent, type References } from '../../src/analysis/references.ts';
import { verifyModel } from '../../src/analysis/verify.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { parameter } from '../../src/graph/make.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { buildNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import type { Session } from '../../src/runtime/session.ts';

export const open = (made: Model): Promise<Session> =>
  openSession(encodeModel(toProto(made)), { provider: 'cpu', home: 'process' });

/** A network of a specification with fresh weights. */
export function network(
  shape: readonly (number | string)[],
  layers: readonly object[],
  seed = 1,
  more: object = {},
): Model {
  return buildNetwork(parseSpec({ inputs: [{ name: 'x', shape: ['batch', ...shape] }], layers, ...more }), seed).model;
}

export function verified(model: Model, wrong: Partial<References> = {}): Promise<Check[]> {
  return verifyModel(model, open, { ...independent, ...wrong });
}

/** Names of the identities that fail, without their sites. */
export function failing(checks: readonly Check[]): string[] {
  return checks.filter(({ ok }) => !ok).map(({ name }) => name.replace(/^.*: /, ''));
}

/** Names of the identities that were computed, without their sites. */
export function computed(checks: readonly Check[]): string[] {
  return checks.filter(({ name }) => !name.endsWith(': reading')).map(({ name }) => name.replace(/^.*: /, ''));
}

/** Smooth numbers as a parameter. */
export function weights(name: string, shape: readonly number[], seed = 1, scale = 1): Value {
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: count }, (_, i) => scale * Math.sin(seed + 1.7 * i));
  return parameter(name, fromNumbers('float32', shape, values));
}
