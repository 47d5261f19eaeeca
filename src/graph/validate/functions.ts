import { HopfcoleError, type Where } from '../../files/error.ts';
import { suggestion } from '../../files/nearest.ts';
import type { FunctionProto, ModelProto, NodeProto } from '../../onnx/messages.ts';
import { functionKey } from '../passes/calls.ts';
import { inlineLimit } from '../passes/inline.ts';
import { canonicalDomain, schemaOf } from '../schema.ts';
import { type Context, calleeOf, readOpsets, Scope } from './context.ts';
import { checkNodes } from './graph.ts';
import { subgraphsOfNode } from './order.ts';
import { Problems } from './problem.ts';

const identifier = /^[A-Za-z_][\w.\-:/ ]*$/;

/** Functions by key, duplicates and nameless ones told. */
export function tableOf(
  functions: readonly FunctionProto[],
  irVersion: number,
  problems: Problems,
): Map<string, FunctionProto> {
  const table = new Map<string, FunctionProto>();
  if (functions.length > 0 && irVersion < 8)
    problems.error('BAD_IR_VERSION', `functions need IR version 8, the model says ${irVersion}`);
  for (const definition of functions) {
    const { name, domain, overload } = definition;
    const where: Where = { operator: `${domain ?? ''}::${name ?? ''}` };
    if (!name) problems.error('MISSING_NAME', 'a function has no name', where);
    else if (!identifier.test(name)) problems.info('ODD_NAME', `the name '${name}' is no identifier`, where);
    if (overload && irVersion < 10)
      problems.error('BAD_IR_VERSION', `overloads of functions need IR version 10, the model says ${irVersion}`, where);
    const key = functionKey(domain ?? '', name ?? '', overload ?? '');
    if (table.has(key)) problems.error('DUPLICATE_FUNCTION', `function ${name ?? ''} is defined twice`, where);
    else table.set(key, definition);
  }
  return table;
}

export function checkFunction(definition: FunctionProto, model: Omit<Context, 'inside'>): void {
  const { problems } = model;
  const name = definition.name ?? '';
  const where: Where = { operator: `${definition.domain ?? ''}::${name}` };
  const opsets = readOpsets(definition.opsetImport, problems, where);
  const attributes = new Set<string>();
  for (const attribute of [...definition.attribute, ...definition.attributeProto.map((given) => given.name ?? '')]) {
    if (attributes.has(attribute))
      problems.error('DUPLICATE_NAME', `function ${name} has two attributes '${attribute}'`, where);
    attributes.add(attribute);
  }
  const scope = new Scope();
  for (const input of definition.input) {
    if (input === '') problems.error('MISSING_NAME', `function ${name} has an input without a name`, where);
    else if (scope.names.has(input))
      problems.error('DUPLICATE_NAME', `function ${name} has two inputs '${input}'`, where);
    scope.names.add(input);
  }
  checkNodes(definition.node, scope, { ...model, opsets, inside: { name, attributes } });
  const outputs = new Set<string>();
  for (const output of definition.output) {
    const place = { ...where, tensor: output };
    if (outputs.has(output)) problems.error('DUPLICATE_NAME', `function ${name} has two outputs '${output}'`, place);
    else if (!scope.names.has(output))
      problems.error(
        'UNDEFINED_NAME',
        `nothing makes the output '${output}' of function ${name}`,
        place,
        suggestion(output, scope.names),
      );
    outputs.add(output);
  }
  checkImports(definition, opsets, model);
}

/** Runtimes run a body under the model's imports: an operator that changed between the two is refused. */
function checkImports(
  definition: FunctionProto,
  own: ReadonlyMap<string, number>,
  model: Omit<Context, 'inside'>,
): void {
  for (const node of everyNode(definition.node)) {
    const domain = canonicalDomain(node.domain ?? '');
    const [here, there] = [own.get(domain), model.opsets.get(domain)];
    if (here === undefined || there === undefined || here === there) continue;
    if (calleeOf(node, model.functions) !== undefined) continue;
    const opType = node.opType ?? '';
    if (schemaOf(opType, here, domain) === schemaOf(opType, there, domain)) continue;
    model.problems.error(
      'OPSET_MISMATCH',
      `function ${definition.name ?? ''} imports ${domain || 'ai.onnx'} ${here}, the model ${there}, and ${opType} differs between them`,
      { operator: definition.name ?? '', node: node.name || undefined },
      'Bring both to one opset',
    );
    return;
  }
}

/** @throws RECURSIVE_FUNCTION, TOO_DEEP, INLINE_TOO_LARGE: a model whose functions no runtime can inline, though it may try for ever. */
export function assertInlinable(model: ModelProto): void {
  const problems = new Problems();
  const functions = new Map(
    model.functions.map((definition) => [
      functionKey(definition.domain ?? '', definition.name ?? '', definition.overload ?? ''),
      definition,
    ]),
  );
  checkCalls(model, functions, problems);
  const [first] = problems.found;
  if (first !== undefined) throw new HopfcoleError(first.code, first.message, first.where, first.hint);
}

/** The onnx package's checker draws the line here too. */
const deepestCall = 100;

/** Calls in a circle, and how large the model is once all functions are inlined: counted, not built. */
export function checkCalls(model: ModelProto, functions: ReadonlyMap<string, FunctionProto>, problems: Problems): void {
  const sizes = new Map<FunctionProto, number>();
  const depths = new Map<FunctionProto, number>();
  for (const start of [...functions.values()]) {
    if (sizes.has(start)) continue;
    const open = new Set<FunctionProto>([start]);
    const stack = [frame(start)];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.nodes.next();
      if (next.done === true) {
        sizes.set(top.definition, top.size);
        depths.set(top.definition, top.depth);
        open.delete(top.definition);
        stack.pop();
        const caller = stack.at(-1);
        if (caller !== undefined) {
          caller.size += top.size;
          caller.depth = Math.max(caller.depth, top.depth + 1);
        }
        continue;
      }
      const callee = calleeOf(next.value, functions);
      if (callee === undefined) top.size++;
      else if (open.has(callee)) {
        problems.error(
          'RECURSIVE_FUNCTION',
          `function ${callee.name ?? ''} calls itself${stack.length > 1 ? ` through ${top.definition.name ?? ''}` : ''}`,
          { operator: `${callee.domain ?? ''}::${callee.name ?? ''}` },
          'ONNX functions must not call themselves: use Loop or Scan instead',
        );
        return;
      } else {
        const size = sizes.get(callee);
        if (size !== undefined) {
          top.size += size;
          top.depth = Math.max(top.depth, (depths.get(callee) ?? 0) + 1);
        } else {
          open.add(callee);
          stack.push(frame(callee));
        }
      }
    }
  }
  const [deepest] = [...depths].sort(([, a], [, b]) => b - a);
  if (deepest !== undefined && deepest[1] > deepestCall)
    problems.error(
      'TOO_DEEP',
      `calls of function ${deepest[0].name ?? ''} go ${deepest[1]} functions deep, more than ${deepestCall}`,
      { operator: `${deepest[0].domain ?? ''}::${deepest[0].name ?? ''}` },
      'Inline some of them',
    );
  let total = 0;
  for (const node of everyNode(model.graph?.node ?? [])) {
    const callee = calleeOf(node, functions);
    total += callee === undefined ? 1 : (sizes.get(callee) ?? 0);
  }
  if (!(total <= inlineLimit))
    problems.error(
      'INLINE_TOO_LARGE',
      `with its functions inlined, as runtimes do, the model has ${total} nodes, more than ${inlineLimit}`,
    );
}

interface Frame {
  readonly definition: FunctionProto;
  readonly nodes: Generator<NodeProto>;
  size: number;
  /** Functions inside one another, this one included. */
  depth: number;
}

function frame(definition: FunctionProto): Frame {
  return { definition, nodes: everyNode(definition.node), size: 0, depth: 1 };
}

function* everyNode(nodes: readonly NodeProto[]): Generator<NodeProto> {
  const stack: (readonly NodeProto[])[] = [nodes];
  for (let top = stack.pop(); top !== undefined; top = stack.pop())
    for (const node of top) {
      yield node;
      for (const graph of subgraphsOfNode(node)) stack.push(graph.node);
    }
}
