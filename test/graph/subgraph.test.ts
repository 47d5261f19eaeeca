import { describe, expect, it } from 'vitest';
import { fromNumbers } from '../../src/files/tensor.ts';
import { constant, input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { hasPython } from '../support/python.ts';
import { bytesOf, errorCode, judged } from './judge.ts';

const x = () => input('x', 'float32', [3]);
const feeds = { x: { dtype: 'float32', shape: [3], data: [1, -2, 3] } };

function total(value: Value): Value {
  return op.reduceSum(value, undefined, { keepdims: false });
}

/** If inside Loop inside the graph, each using values of every graph around it. */
function nested() {
  const given = x();
  const scale = parameter('scale', fromNumbers('float32', [], [0.5]));
  const shifted = op.add(given, constant(1));
  const [state, turns] = op.loop(constant(4n), undefined, [given], (iteration, _, current = given) => {
    const even = op.equal(op.mod(iteration, constant(2n)), constant(0n));
    const [next = current] = op.if(even, {
      thenBranch: () => [op.mul(current, scale)],
      elseBranch: () => [op.add(current, shifted)],
    });
    return { carried: [next], scanned: [total(next)] };
  });
  return model({ inputs: [given], outputs: { state: state ?? given, turns: turns ?? given } });
}

describe('control flow', () => {
  it.skipIf(!hasPython)('runs with captured values at any depth as numpy would', () => {
    const given = x();
    const condition = op.greater(total(given), constant(0));
    const [chosen = given, passed = given] = op.if(condition, {
      thenBranch: () => [op.mul(given, constant(2)), given],
      elseBranch: () => [op.neg(given), op.mul(given, constant(3))],
    });
    const rows = input('rows', 'float32', [4, 3]);
    const [last = rows, sums = rows] = op.scan([constant([0, 0, 0])], [rows], ([h = rows], [row = rows]) => {
      const next = op.add(op.mul(h, constant(0.5)), op.mul(row, given));
      return { carried: [next], scanned: [total(next)] };
    });
    const [growing = given] = op.loop(constant(2n), undefined, [given], (_, __, state = given) => ({
      carried: [op.concat([state, given], { axis: 0 })],
    }));
    const data = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    const flat = { rows: { dtype: 'float32', shape: [4, 3], data }, ...feeds };
    const [deep = {}, wide = {}] = judged([
      { model: nested(), feeds },
      { model: model({ inputs: [given, rows], outputs: { chosen, passed, last, sums, growing } }), feeds: flat },
    ]);
    let h = [1, -2, 3];
    const turns: number[] = [];
    for (let i = 0; i < 4; i++) {
      h = i % 2 === 0 ? h.map((v) => v * 0.5) : h.map((v, k) => v + ([2, -1, 4][k] ?? 0));
      turns.push(h.reduce((a, b) => a + b));
    }
    expect(deep.state?.data).toEqual(h);
    expect(deep.turns).toEqual({ shape: [4], data: turns });
    expect(wide.chosen?.data).toEqual([2, -4, 6]);
    expect(wide.passed?.data).toEqual([1, -2, 3]);
    let s = [0, 0, 0];
    const all: number[] = [];
    for (let i = 0; i < 4; i++) {
      s = s.map((v, k) => v * 0.5 + (data[i * 3 + k] ?? 0) * ([1, -2, 3][k] ?? 0));
      all.push(s.reduce((a, b) => a + b));
    }
    expect(wide.last?.data).toEqual(s);
    expect(wide.sums?.data).toEqual(all);
    expect(wide.growing).toEqual({ shape: [9], data: [1, -2, 3, 1, -2, 3, 1, -2, 3] });
  });

  it('keeps in a subgraph what was made in it, and nothing that was not', () => {
    const given = x();
    const outside = op.exp(given);
    const [y = given] = op.if(constant(true), {
      thenBranch: () => {
        op.sin(given);
        return [op.add(outside, constant(7))];
      },
      elseBranch: () => [outside],
    });
    const proto = toProto(model({ inputs: [given], outputs: { y } }));
    expect(proto.graph?.node?.map(({ opType }) => opType)).toEqual(['Exp', 'If']);
    const branches = proto.graph?.node?.[1]?.attribute ?? [];
    expect(branches.map(({ name, g }) => [name, g?.node?.map(({ opType }) => opType), g?.initializer?.length])).toEqual(
      [
        ['else_branch', ['Identity'], 0],
        ['then_branch', ['Add'], 1],
      ],
    );
  });

  it('gives every value of every graph a name of its own', () => {
    const names: string[] = [];
    const visit = (graph: ReturnType<typeof toProto>['graph']): void => {
      for (const { name } of [...(graph?.input ?? []), ...(graph?.initializer ?? [])]) names.push(name ?? '');
      for (const { output, attribute } of graph?.node ?? []) {
        names.push(...(output ?? []));
        for (const { g } of attribute ?? []) if (g) visit(g);
      }
    };
    visit(toProto(nested()).graph);
    expect(new Set(names).size).toBe(names.length);
    expect(Buffer.compare(bytesOf(nested()), bytesOf(nested()))).toBe(0);
  });

  it('refuses a value that leaves its subgraph', () => {
    const given = x();
    let kept = given;
    let argument = given;
    const [y = given] = op.if(constant(true), {
      thenBranch: () => {
        kept = op.relu(given);
        return [kept];
      },
      elseBranch: () => [given],
    });
    const [z = given] = op.loop(constant(1n), undefined, [given], (_, __, state = given) => {
      argument = state;
      return { carried: [op.neg(state)] };
    });
    expect(errorCode(() => model({ inputs: [given], outputs: { y, kept } }))).toBe('VALUE_OUT_OF_SCOPE');
    expect(errorCode(() => model({ inputs: [given], outputs: { z, b: op.relu(argument) } }))).toBe('UNLISTED_INPUT');
  });

  it('leaves recording in order when a body throws', () => {
    const given = x();
    const fails = () => {
      throw new RangeError('from the body');
    };
    expect(() => op.if(constant(true), { thenBranch: fails, elseBranch: fails })).toThrow(RangeError);
    const y = op.relu(given);
    expect(model({ inputs: [given], outputs: { y } }).graph.nodes).toHaveLength(1);
  });
});
