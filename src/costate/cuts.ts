import { isDetached } from '../graph/module-path.ts';
import type { Node, Value } from '../graph/value.ts';
import { usedBy } from '../graph/walk.ts';
import { carries, isEmpty } from './activity.ts';
import { dependents } from './extend.ts';
import type { Named } from './names.ts';
import { ruleFor } from './table.ts';

/** Why a value has no co-state: `zero` where the derivative is zero wherever it exists, and zeros are its co-state. */
export type Cut = { readonly kind: 'zero' } | { readonly kind: 'cut'; readonly why: string };

/** More cuts than this are counted, not told. */
const mostTold = 3;

/**
 * Why no co-state reached `from`. `pulled` tells which of some values co-states do reach: asked only where operators with rules passed
 * nothing.
 */
export function cutOf(
  nodes: readonly Node[],
  of: readonly Named[],
  from: Named,
  pulled: (values: readonly Value[]) => readonly boolean[],
): Cut {
  const heads = new Set(of.map(({ value }) => value));
  const flow = new Flow(nodes, heads, from.value);
  const to = of.map(({ name }) => `'${name}'`).join(', ');
  if (!flow.arrives) return { kind: 'cut', why: `${to} ${of.length === 1 ? 'does' : 'do'} not depend on it` };
  const cuts = flow.cuts();
  if (flow.carried) {
    const chain = flow.chainThrough(
      (node) => ruleFor(node)?.zero !== true && !isDetached(node) && !node.outputs.every(isEmpty),
    );
    if (chain === undefined) return { kind: 'zero' };
    return { kind: 'cut', why: passedNothing(chain, from, pulled) };
  }
  const told = cuts.slice(0, mostTold).map((node) => `${flow.describe(node)} (path ${flow.path(node, from)})`);
  const more = cuts.length > mostTold ? `; ${cuts.length - mostTold} more` : '';
  return { kind: 'cut', why: `cut off from ${to} by ${told.join('; ')}${more}` };
}

/** What depends on a value and is needed for the outputs. */
class Flow {
  /** Whether the outputs depend on the value in any way, and through values that can carry a co-state. */
  readonly arrives: boolean;
  readonly carried: boolean;
  private readonly between: readonly Node[];
  private readonly needed: ReadonlySet<Value>;
  /** For each value that depends on the start through values that carry: the one before it, and by which node. */
  private readonly before = new Map<Value, Step>();
  private readonly heads: ReadonlySet<Value>;
  private readonly start: Value;

  constructor(nodes: readonly Node[], heads: ReadonlySet<Value>, start: Value) {
    this.heads = heads;
    this.start = start;
    const later = dependents(nodes, [start]);
    const depends = new Set([start, ...later.flatMap(({ outputs }) => outputs)]);
    this.arrives = [...heads].some((head) => depends.has(head));
    const needed = new Set(heads);
    this.between = later
      .toReversed()
      .filter((node) => {
        if (!node.outputs.some((output) => needed.has(output))) return false;
        for (const value of usedBy(node)) if (value !== undefined) needed.add(value);
        return true;
      })
      .toReversed();
    this.needed = needed;
    this.carried = this.follow(() => true, this.before);
  }

  /** The nodes where what carries a co-state ends on the way to the outputs. */
  cuts(): readonly Node[] {
    return this.between.filter((node) => this.enters(node) !== undefined && !this.outputsOf(node).some(carries));
  }

  /** Values from the start to an output through nodes that are allowed, each made of the one before; undefined where there are none. */
  chainThrough(allowed: (node: Node) => boolean): readonly (Step & { readonly made: Value })[] | undefined {
    const before = new Map<Value, Step>();
    if (!this.follow(allowed, before)) return undefined;
    const chain: (Step & { made: Value })[] = [];
    let made = [...this.heads].find((head) => before.has(head));
    for (let step = made && before.get(made); made !== undefined && step !== undefined; step = before.get(made)) {
      chain.unshift({ ...step, made });
      made = step.value;
    }
    return chain;
  }

  /** `ArgMax 'argmax_0', which gives int64`. */
  describe(node: Node): string {
    const kinds = [...new Set(this.outputsOf(node).map((value) => value.dtype ?? 'no tensor'))].join(' and ');
    if (node.opType === 'Shape' || node.opType === 'Size') return `${titled(node)}: only its shape matters`;
    return `${titled(node)}, which gives ${kinds}`;
  }

  /** `x -> mul_1 -> argmax_0`. */
  path(node: Node, from: Named): string {
    const names = [nodeName(node)];
    let value = this.enters(node);
    for (let step = value && this.before.get(value); value !== undefined && step !== undefined; ) {
      names.unshift(nodeName(step.node));
      value = step.value;
      step = this.before.get(value);
    }
    return [from.name, ...(names.length > 7 ? [...names.slice(0, 3), '...', ...names.slice(-3)] : names)].join(' -> ');
  }

  private outputsOf(node: Node): readonly Value[] {
    return node.outputs.filter((output) => this.needed.has(output));
  }

  private enters(node: Node): Value | undefined {
    return usedBy(node).find((value) => value !== undefined && (value === this.start || this.before.has(value)));
  }

  private follow(allowed: (node: Node) => boolean, before: Map<Value, Step>): boolean {
    if (this.heads.has(this.start)) return true;
    for (const node of this.between) {
      if (!allowed(node)) continue;
      const value = usedBy(node).find((one) => one !== undefined && (one === this.start || before.has(one)));
      if (value === undefined) continue;
      for (const output of this.outputsOf(node)) if (carries(output)) before.set(output, { value, node });
    }
    return [...this.heads].some((head) => before.has(head));
  }
}

interface Step {
  readonly value: Value;
  readonly node: Node;
}

/** The last place on a chain to which nothing was passed, though the next has a co-state. */
function passedNothing(
  chain: readonly (Step & { readonly made: Value })[],
  from: Named,
  pulled: (values: readonly Value[]) => readonly boolean[],
): string {
  const reached = pulled(chain.map(({ made }) => made));
  const at = chain.find((_, index) => reached[index] === true) ?? chain.at(-1);
  if (at === undefined) return 'no co-state reaches it';
  const index = at.node.inputs.indexOf(at.value);
  const names = chain.slice(0, chain.indexOf(at) + 1).map(({ node }) => nodeName(node));
  const which = index < 0 ? 'what it captures' : `its input ${index}`;
  return `${titled(at.node)} has no co-state of ${which} (path ${[from.name, ...names].join(' -> ')})`;
}

function titled(node: Node): string {
  return `${node.domain === '' ? '' : `${node.domain}::`}${node.opType} '${nodeName(node)}'`;
}

function nodeName(node: Node): string {
  return node.name ?? node.outputs[0]?.name ?? node.opType;
}
