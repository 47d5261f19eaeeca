import { describe, expect, it } from 'vitest';
import { families } from '../../src/torch/aten/table.ts';
import { hasPython, python } from '../support/python.ts';
import { notCovered } from './not-covered.ts';

/** All overloads that PyTorch tags as core: what `run_decompositions` may leave. */
function coreOverloads(): string[] {
  const listed = python(`
import json, torch
names = [n for n in torch._C._dispatch_get_all_op_names() if n.startswith("aten::")]
of = lambda n: getattr(getattr(torch.ops.aten, n[6:].partition(".")[0]), n[6:].partition(".")[2] or "default")
print(json.dumps(sorted(str(o) for o in map(of, names) if torch.Tag.core in o.tags)))`);
  return JSON.parse(listed) as string[];
}

const covered = new Set(
  families.flatMap(({ rules = {}, views = {}, higherOrder = {} }) =>
    Object.keys({ ...rules, ...views, ...higherOrder }),
  ),
);

/** In-place and `out` forms are their functional ones, written to a tensor. */
function isCovered(overload: string): boolean {
  const [namespace, name, form] = overload.split('.');
  const functional = `${namespace}.${name?.replace(/_$/, '')}.${form === 'out' ? 'default' : form}`;
  return covered.has(overload) || covered.has(functional);
}

describe.skipIf(!hasPython)('core ATen', () => {
  const core = hasPython ? coreOverloads() : [];

  it('is what this version of PyTorch says', () => {
    expect(core.length).toBeGreaterThan(180);
  });

  it('has a lowering for every overload, or a reason why not', () => {
    expect(core.filter((name) => !isCovered(name) && !(name in notCovered))).toEqual([]);
  });

  it('gives no reason for what has a lowering', () => {
    expect(Object.keys(notCovered).filter((name) => isCovered(name) || !core.includes(name))).toEqual([]);
  });
});
