import type { Where } from '../../files/error.ts';
import { suggestion } from '../../files/nearest.ts';
import type { GraphProto, NodeProto, ValueInfoProto } from '../../onnx/messages.ts';
import { tensorHeader } from '../../onnx/tensor.ts';
import { describeType } from '../type.ts';
import { typeFromProto } from '../wire/types.ts';
import { type Context, Scope, whereOf } from './context.ts';
import { checkNode } from './node.ts';
import { isCyclic, subgraphsOfNode } from './order.ts';
import { checkSparseTensor, checkTensor } from './tensor.ts';

/** A graph: of the model, or a subgraph whose outer names `outer` holds. @returns the names it defines. */
export function checkGraph(graph: GraphProto, outer: Scope | undefined, context: Context): Scope {
  const { problems } = context;
  const scope = new Scope(outer);
  const where: Where = { at: `graph '${graph.name ?? ''}'` };
  if (!graph.name) problems.error('MISSING_NAME', 'a graph has no name', where);
  checkInputs(graph, scope, outer === undefined, context);
  checkInitializers(graph, scope, context);
  checkNodes(graph.node, scope, context);
  checkOutputs(graph, scope, outer === undefined, context);
  checkValueInfo(graph, scope, context);
  return scope;
}

function checkInputs(graph: GraphProto, scope: Scope, main: boolean, context: Context): void {
  const { problems } = context;
  for (const info of graph.input) {
    const name = info.name ?? '';
    if (name === '') problems.error('MISSING_NAME', 'an input has no name', { at: `graph '${graph.name ?? ''}'` });
    else if (scope.names.has(name))
      problems.error('DUPLICATE_NAME', `there are two inputs '${name}'`, { tensor: name });
    else if (scope.outer?.sees(name) === true)
      problems.info('SHADOWED_NAME', `a subgraph's input has the name of an outer value, '${name}'`, { tensor: name });
    scope.names.add(name);
    checkDeclaration(info, main, context);
  }
}

/** A declared type: element types known, sizes not negative (-1 stands for unknown in some exporters' files), the main graph's given. */
function checkDeclaration(info: ValueInfoProto, required: boolean, { problems }: Context): void {
  const where: Where = { tensor: info.name ?? '' };
  const type = info.type ?? undefined;
  if (type === undefined) {
    if (required) problems.error('MISSING_TYPE', 'expected a type, got none', where);
    return;
  }
  const { tensorType, sparseTensorType } = type;
  const tensor = tensorType ?? sparseTensorType ?? undefined;
  if (tensor === undefined) {
    const other = type.sequenceType ?? type.optionalType ?? type.mapType ?? type.opaqueType ?? undefined;
    if (other === undefined && required) problems.error('MISSING_TYPE', 'expected a type, got an empty one', where);
    return;
  }
  const read = typeFromProto(type);
  if ((read?.kind === 'tensor' || read?.kind === 'sparse') && read.dtype === undefined && (required || tensor.elemType))
    problems.error('UNKNOWN_DTYPE', `expected an element type, got ${tensor.elemType || 'none'}`, where);
  if (required && !tensor.shape)
    problems.info(
      'MISSING_SHAPE',
      `not even the rank of '${info.name ?? ''}' is given: runtimes take that, onnx.checker does not`,
      where,
      'Declare its shape, with symbols for the sizes that vary',
    );
  for (const { dimValue } of tensor.shape?.dim ?? []) {
    const size = Number(dimValue ?? 0);
    if (size < -1) problems.error('BAD_SHAPE', `expected dimensions of 0 or more, got ${size}`, where);
    else if (size === -1) problems.info('BAD_SHAPE', 'a dimension of -1 is taken for an unknown one', where);
  }
}

function checkInitializers(graph: GraphProto, scope: Scope, context: Context): void {
  const { problems, irVersion } = context;
  const inputs = new Map(graph.input.map((info) => [info.name ?? '', info]));
  const seen = new Set<string>();
  const enter = (name: string, what: string): void => {
    const where: Where = { tensor: name };
    if (name === '') problems.error('MISSING_NAME', `${what} has no name`, { at: `graph '${graph.name ?? ''}'` });
    else if (seen.has(name)) problems.error('DUPLICATE_NAME', `there are two initializers '${name}'`, where);
    else if (irVersion < 4 && !inputs.has(name))
      problems.error('MISSING_INPUT', `before IR version 4 an initializer must be an input as well`, where);
    else if (scope.outer?.sees(name) === true)
      problems.info('SHADOWED_NAME', `a subgraph's initializer has the name of an outer value, '${name}'`, where);
    seen.add(name);
    scope.names.add(name);
  };
  for (const tensor of graph.initializer) {
    const name = tensor.name ?? '';
    enter(name, 'an initializer');
    checkTensor(tensor, problems, { tensor: name });
    const declared = inputs.get(name);
    if (declared !== undefined && !problems.full) checkDefault(declared, tensor, context);
  }
  for (const sparse of graph.sparseInitializer) {
    const name = sparse.values?.name ?? '';
    enter(name, 'a sparse initializer');
    checkSparseTensor(sparse, problems, { tensor: name });
  }
}

/** An initializer that is an input's default must be what the input says. */
function checkDefault(input: ValueInfoProto, tensor: GraphProto['initializer'][number], { problems }: Context): void {
  const type = typeFromProto(input.type);
  if (type?.kind !== 'tensor') return;
  try {
    const { dtype, shape } = tensorHeader(tensor);
    const fits =
      (type.dtype === undefined || type.dtype === dtype) &&
      (type.shape === undefined ||
        (type.shape.length === shape.length &&
          type.shape.every((dim, i) => typeof dim !== 'number' || dim === shape[i])));
    if (!fits)
      problems.error(
        'TYPE_MISMATCH',
        `the input is declared ${describeType(type)}, its default is ${dtype}[${shape.join(', ')}]`,
        {
          tensor: input.name ?? '',
        },
      );
  } catch {
    // The tensor itself is wrong, and that has been told.
  }
}

/** Nodes in order: what they read is there, what they make is new. */
export function checkNodes(nodes: readonly NodeProto[], scope: Scope, context: Context): void {
  const { problems } = context;
  let later: ReadonlySet<string> | undefined;
  let cyclic: boolean | undefined;
  const missing = (name: string, where: Where): void => {
    later ??= new Set(nodes.flatMap((node) => node.output));
    if (!later.has(name)) {
      const place = { ...where, tensor: name };
      problems.error('UNDEFINED_NAME', `nothing makes the value '${name}'`, place, suggestion(name, scope.all()));
      return;
    }
    cyclic ??= isCyclic(nodes);
    if (cyclic) problems.error('GRAPH_CYCLE', `the nodes depend on each other in a circle, through '${name}'`, where);
    else problems.error('UNSORTED_NODES', `'${name}' is used before the node that makes it`, where, 'Sort the nodes');
  };
  for (const [index, node] of nodes.entries()) {
    if (problems.full) return;
    const where = whereOf(node, index, context);
    checkNode(node, context, where);
    for (const name of node.input) if (name !== '' && !scope.sees(name)) missing(name, where);
    for (const graph of subgraphsOfNode(node)) {
      const inner = checkGraph(graph, scope, context);
      for (const made of graph.node) for (const name of made.output) scope.inside.add(name);
      for (const name of inner.inside) scope.inside.add(name);
    }
    for (const name of node.output) {
      if (name === '') continue;
      if (scope.sees(name))
        problems.error('DUPLICATE_NAME', `the value '${name}' is made twice`, { ...where, tensor: name });
      else if (scope.inside.has(name))
        problems.info(
          'SHADOWED_NAME',
          `a subgraph before it makes a value of the same name, '${name}', which some runtimes refuse`,
          { ...where, tensor: name },
          'Give one of them another name',
        );
      scope.names.add(name);
    }
  }
}

function checkOutputs(graph: GraphProto, scope: Scope, main: boolean, context: Context): void {
  const { problems } = context;
  const seen = new Set<string>();
  const at = `graph '${graph.name ?? ''}'`;
  if (main && graph.output.length === 0) problems.info('NO_OUTPUTS', 'the model has no outputs', { at });
  for (const info of graph.output) {
    const name = info.name ?? '';
    if (name === '') problems.error('MISSING_NAME', 'an output has no name', { at });
    else if (seen.has(name)) {
      if (main) problems.error('DUPLICATE_NAME', `there are two outputs '${name}'`, { tensor: name });
    } else if (!scope.sees(name))
      problems.error(
        'UNDEFINED_NAME',
        `nothing makes the output '${name}'`,
        { tensor: name, at },
        suggestion(name, scope.names),
      );
    seen.add(name);
    checkDeclaration(info, main, context);
  }
}

function checkValueInfo(graph: GraphProto, scope: Scope, context: Context): void {
  for (const info of graph.valueInfo) {
    const name = info.name ?? '';
    if (!scope.names.has(name))
      context.problems.info('UNDEFINED_NAME', `value_info describes '${name}', which is not there`, { tensor: name });
    checkDeclaration(info, false, context);
  }
}
