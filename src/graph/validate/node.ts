import type { Where } from '../../files/error.ts';
import { suggestion } from '../../files/nearest.ts';
import type { FunctionProto, GraphProto, NodeProto } from '../../onnx/messages.ts';
import { parameterAt } from '../check.ts';
import {
  canonicalDomain,
  newestOpset,
  operatorsOf,
  type Parameter,
  type Schema,
  schemaOf,
  versionsOf,
} from '../schema.ts';
import { checkAttributes } from './attribute.ts';
import { type Context, calleeOf } from './context.ts';

/** A node in itself: operator, arity, attributes and how many inputs and outputs its subgraphs have. Names are the graph's matter. */
export function checkNode(node: NodeProto, context: Context, where: Where): void {
  const { problems } = context;
  if (!node.opType) {
    problems.error('UNKNOWN_OPERATOR', 'a node has no operator', where);
    return;
  }
  if (node.input.length === 0 && node.output.length === 0)
    problems.error('WRONG_ARITY', 'the node has neither inputs nor outputs', where);
  const domain = canonicalDomain(node.domain ?? '');
  const opset = context.opsets.get(domain);
  if (opset === undefined) {
    const name = domain === '' ? 'ai.onnx' : domain;
    problems.error(
      'MISSING_OPSET',
      `the operator is of domain ${name}, which the ${context.inside === undefined ? 'model' : 'function'} does not import`,
      where,
      suggestion(domain, context.opsets.keys()),
    );
    return;
  }
  const callee = calleeOf(node, context.functions);
  if (callee !== undefined) {
    checkCall(node, callee, context, where);
    return;
  }
  const schema = schemaInForce(node, domain, opset, context, where);
  checkAttributes(node, schema, context, where);
  if (schema === undefined) return;
  if (schema.deprecated) {
    problems.error('DEPRECATED_OPERATOR', `${node.opType} is no longer an operator at opset ${opset}`, where);
    return;
  }
  checkArity('inputs', node.input, schema.inputs, schema.minInputs, context, where);
  checkArity('outputs', node.output, schema.outputs, schema.minOutputs, context, where);
  checkSubgraphs(node, schema, context, where);
}

function schemaInForce(
  node: NodeProto,
  domain: string,
  opset: number,
  { problems, functions }: Context,
  where: Where,
): Schema | undefined {
  const newest = newestOpset(domain);
  const opType = node.opType ?? '';
  if (newest === undefined) {
    const known = [...functions.values()].filter((f) => (f.domain ?? '') === domain).map((f) => f.name ?? '');
    if (known.length === 0)
      problems.info('UNKNOWN_DOMAIN', `domain ${domain} is not known: its operators are taken on trust`);
    else if (known.includes(opType))
      problems.error('UNKNOWN_FUNCTION', `function ${opType} has no overload '${node.overload ?? ''}'`, where);
    else
      problems.info(
        'UNKNOWN_FUNCTION',
        `the model has functions of domain ${domain}, but none named ${opType}`,
        where,
        suggestion(opType, known),
      );
    return undefined;
  }
  const schema = schemaOf(opType, opset, domain);
  if (schema !== undefined) return schema;
  const [first] = versionsOf(opType, domain);
  const name = domain === '' ? 'ai.onnx' : domain;
  if (first !== undefined)
    problems.error(
      'UNKNOWN_OPERATOR',
      `operator ${opType} of ${name} exists from opset ${first} on, the model imports ${opset}`,
      where,
      `Import ${name} at ${first} or newer`,
    );
  else if (opset > newest)
    problems.info('UNKNOWN_OPERATOR', `operator ${opType} is newer than what is known of ${name}`, where);
  else
    problems.error(
      'UNKNOWN_OPERATOR',
      `there is no operator ${opType} in domain ${name}`,
      where,
      suggestion(opType, operatorsOf(domain)),
    );
  return undefined;
}

function checkArity(
  what: 'inputs' | 'outputs',
  names: readonly string[],
  parameters: readonly Parameter[],
  least: number,
  { problems }: Context,
  where: Where,
): void {
  const most = parameters.at(-1)?.option === 'variadic' ? Number.POSITIVE_INFINITY : parameters.length;
  if (names.length < least || names.length > most) {
    const range =
      least === most ? `${least}` : most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`;
    problems.error('WRONG_ARITY', `expected ${range} ${what}, got ${names.length}`, where);
    return;
  }
  for (const [index, name] of names.entries()) {
    const parameter = parameterAt(parameters, index);
    if (name !== '' || parameter === undefined || parameter.option === 'optional') continue;
    if (parameter.option === 'variadic' && what === 'outputs') continue;
    const code = what === 'inputs' ? 'MISSING_INPUT' : 'MISSING_OUTPUT';
    problems.error(code, `expected a name for '${parameter.name}', got an empty one`, {
      ...where,
      argument: parameter.name,
    });
  }
}

function checkCall(node: NodeProto, callee: FunctionProto, context: Context, where: Where): void {
  const { problems } = context;
  checkAttributes(node, undefined, context, where);
  for (const what of ['input', 'output'] as const)
    if (node[what].length > callee[what].length)
      problems.error(
        'WRONG_ARITY',
        `function ${callee.name ?? ''} has ${callee[what].length} ${what}s, the call gives ${node[what].length}`,
        where,
      );
  if (node.input.length < callee.input.length || node.input.includes(''))
    problems.info(
      'EMPTY_FUNCTION_INPUT',
      `the call leaves inputs of function ${callee.name ?? ''} empty, on which some runtimes crash`,
      where,
      'resolveEmptyOptionals inlines such calls',
    );
  const given = new Set(node.attribute.map(({ name }) => name ?? ''));
  const missing = callee.attribute.filter((name) => !given.has(name));
  if (missing.length > 0)
    problems.info(
      'MISSING_ATTRIBUTE',
      `function ${callee.name ?? ''} expects the attributes ${missing.join(', ')}`,
      where,
    );
  const known = new Set([...callee.attribute, ...callee.attributeProto.map(({ name }) => name ?? '')]);
  for (const name of given)
    if (!known.has(name) && !name.startsWith('__'))
      problems.info(
        'UNKNOWN_ATTRIBUTE',
        `function ${callee.name ?? ''} has no attribute '${name}'`,
        where,
        suggestion(name, known),
      );
}

/** Counts of inputs and outputs that a node with subgraphs fixes for them. */
function checkSubgraphs(
  node: NodeProto,
  { opType, sinceVersion, domain }: Schema,
  context: Context,
  where: Where,
): void {
  if (domain !== '') return;
  const body = (name: string) => node.attribute.find((attribute) => attribute.name === name)?.g ?? undefined;
  if (opType === 'If')
    for (const name of ['then_branch', 'else_branch'])
      expectCounts(body(name), name, { inputs: 0, outputs: node.output.length }, context, where);
  else if (opType === 'Loop') {
    const carried = Math.max(0, node.input.length - 2);
    expectCounts(body('body'), 'body', { inputs: carried + 2, outputs: node.output.length + 1 }, context, where);
  } else if (opType === 'Scan' && sinceVersion >= 9)
    expectCounts(body('body'), 'body', { inputs: node.input.length, outputs: node.output.length }, context, where);
}

function expectCounts(
  graph: GraphProto | undefined,
  argument: string,
  { inputs, outputs }: { inputs: number; outputs: number },
  { problems }: Context,
  where: Where,
): void {
  if (graph === undefined) return;
  const place = { ...where, argument };
  const own = graph.input.length;
  if (own !== inputs) problems.error('BAD_SUBGRAPH', `expected a graph of ${inputs} inputs, got ${own}`, place);
  if (graph.output.length !== outputs)
    problems.error('BAD_SUBGRAPH', `expected a graph of ${outputs} outputs, got ${graph.output.length}`, place);
}
