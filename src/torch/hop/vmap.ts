import type { Argument, ProgramGraph, ProgramNode } from '../schema/program.ts';

const of = (name: string): string => `torch._functorch.predispatch.${name}`;
const [begins, ends, enters, leaves] = [
  of('_vmap_increment_nesting'),
  of('_vmap_decrement_nesting'),
  of('_add_batch_dim'),
  of('_remove_batch_dim'),
];

/**
 * The nodes of a graph with those of each torch.vmap gathered into one node of their own, `higher_order.vmap`. As traced, a program has the nodes of the
 * mapped function between two that say where it begins and ends, with types as of one element: a graph that is run for each element.
 */
export function withMaps(graph: ProgramGraph): readonly ProgramNode[] {
  if (!graph.nodes.some(({ target }) => target === begins)) return graph.nodes;
  const nodes: ProgramNode[] = [];
  let depth = 0;
  let region: ProgramNode[] = [];
  for (const node of graph.nodes) {
    if (node.target === begins && depth++ === 0) region = [];
    else if (node.target === ends && --depth === 0) nodes.push(mapOf(graph, node, region));
    else if (depth > 0) region.push(node);
    else nodes.push(node);
  }
  return nodes;
}

/** One map: what enters and leaves it at its own level, and the nodes between, which may hold further maps. */
function mapOf(graph: ProgramGraph, end: ProgramNode, region: readonly ProgramNode[]): ProgramNode {
  const [entering, leaving, within]: [ProgramNode[], ProgramNode[], ProgramNode[]] = [[], [], []];
  let depth = 0;
  for (const node of region) {
    if (node.target === begins) depth += 1;
    if (node.target === ends) depth -= 1;
    const own = depth === 0 && (node.target === enters ? entering : node.target === leaves ? leaving : undefined);
    (own || within).push(node);
  }
  const entered = entering.flatMap(({ outputs }) => outputs);
  const captured = freeOf(within, new Set(entered.map(nameOf)));
  const body: ProgramGraph = {
    ...graph,
    inputs: [...entered, ...captured],
    outputs: leaving.map(({ inputs }) => inputs[0]?.argument ?? { kind: 'none' }),
    nodes: within,
    single: false,
  };
  const given: Argument[] = [
    { kind: 'graph', graph: body },
    list(entering, 0),
    list(entering, 1),
    { kind: 'list', items: captured },
    list(leaving, 3),
  ];
  return {
    ...end,
    target: 'higher_order.vmap',
    inputs: given.map((argument) => ({ name: '', argument })),
    outputs: leaving.flatMap(({ outputs }) => outputs),
  };
}

/** The `index`-th argument of each. */
function list(nodes: readonly ProgramNode[], index: number): Argument {
  return { kind: 'list', items: nodes.map(({ inputs }) => inputs[index]?.argument ?? { kind: 'none' }) };
}

const nameOf = (argument: Argument): string =>
  argument.kind === 'tensor' || argument.kind === 'symbol' ? argument.name : '';

const flat = (argument: Argument): readonly Argument[] =>
  argument.kind === 'list' ? argument.items.flatMap(flat) : [argument];

/** What the nodes use that neither they nor `known` define. */
function freeOf(nodes: readonly ProgramNode[], known: ReadonlySet<string>): Argument[] {
  const defined = new Set(known);
  const found = new Map<string, Argument>();
  for (const node of nodes) {
    for (const argument of node.inputs.flatMap((input) => flat(input.argument))) {
      const name = nameOf(argument);
      if (name !== '' && !defined.has(name)) found.set(name, argument);
    }
    for (const output of node.outputs.flatMap(flat)) defined.add(nameOf(output));
  }
  return [...found.values()];
}
