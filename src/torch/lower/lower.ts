import { HopfcoleError } from '../../files/error.ts';
import { isValue } from '../../graph/apply.ts';
import { constant, makeNode, makeValue } from '../../graph/make.ts';
import { withDetached, withModule } from '../../graph/module-path.ts';
import * as op from '../../graph/op.ts';
import { describeType, type Shape, tensorType } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { complexRuleOf, higherOrderRuleOf, isComponentwise, ruleOf, viewRuleOf } from '../aten/table.ts';
import { withMaps } from '../hop/vmap.ts';
import type { Argument, ProgramNode, TensorMeta } from '../schema/program.ts';
import { Call, cast, complexOf } from './call.ts';
import { Cell } from './cell.ts';
import { computed } from './dtype.ts';
import { Complex, type Result, Sym, type Tensorial } from './item.ts';
import type { ViewRule } from './rule.ts';
import type { GraphScope, Report } from './scope.ts';

/**
 * The nodes of a graph, in order, as values: each by the rule of its target. What has no rule is noted, and its results are stood in for by inputs of the
 * same type, so that everything that is not supported is found at once.
 */
export function lowerNodes(scope: GraphScope, report: Report): void {
  for (const node of withMaps(scope.graph)) {
    const module = (node.stack.at(-1) ?? '').replace(/@\d+/g, '');
    const lower = () => lowerNode(node, module, scope, report);
    withModule(module, node.detached ? () => withDetached(lower) : lower);
  }
}

function lowerNode(node: ProgramNode, module: string, scope: GraphScope, report: Report): void {
  const call = new Call(node, scope);
  try {
    apply(call, scope, report);
    const [ignored] = call.ignored;
    if (ignored !== undefined) throw call.unsupported(`the argument '${ignored}'`);
  } catch (error) {
    if (!(error instanceof HopfcoleError)) throw strange(error, node);
    if (error.code !== 'UNSUPPORTED_OPERATOR')
      throw error.at({ node: node.name, operator: error.where.operator ?? node.target });
    const known = report.unsupported.get(error.message) ?? { count: 0, modules: new Set<string>(), node: node.name };
    known.count += 1;
    if (known.modules.size < 1000) known.modules.add(module);
    report.unsupported.set(error.message, known);
    standIn(node, scope);
  }
  noteModules(node, scope, report);
}

/** A rule met what no PyTorch writes (a size that no list can have, a number where an integer stands): the program is at fault, and names the node. */
function strange(error: unknown, node: ProgramNode): unknown {
  if (!(error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError)) return error;
  const problem = new HopfcoleError(
    'BAD_PROGRAM',
    `its arguments make no sense: ${error.message.slice(0, 200)}`,
    { node: node.name, operator: node.target },
    'Save the program again with torch.export.save',
  );
  problem.cause = error;
  return problem;
}

function apply(call: Call, scope: GraphScope, report: Report): void {
  const { target, node } = call;
  const higher = higherOrderRuleOf(target);
  const view = viewRuleOf(target);
  const lower = ruleOf(target);
  const inPlace = /^([^.]+)\.([^.]+)_\.([^.]+)$/.exec(target);
  if (higher !== undefined) bind(node, higher(call, scope, report), scope);
  else if (call.isComplex && view !== undefined && isComponentwise(target) && complexRuleOf(target) === undefined)
    bindView(call, view, scope);
  else if (call.isComplex && inPlace === null) bind(node, lowerComplex(call), scope);
  else if (view !== undefined) bindView(call, view, scope);
  else if (lower !== undefined) bind(node, lower(call), scope);
  else if (inPlace !== null) inPlaceOf(call, `${inPlace[1]}.${inPlace[2]}.${inPlace[3]}`, scope);
  else throw call.unsupported('has no lowering');
}

/** Complex tensors have rules of their own; what only moves elements moves those of both parts. */
function lowerComplex(call: Call): Result | readonly Result[] {
  const lower = complexRuleOf(call.target);
  if (lower !== undefined) return lower(call);
  if (isComponentwise(call.target)) return splitParts(call);
  throw call.unsupported('has no lowering for complex numbers');
}

function splitParts(call: Call): readonly Result[] {
  const parts = (['real', 'imaginary'] as const).map((part) => resultsOf(runOn(call, part)));
  return (parts[0] ?? []).map((real, index) => {
    const imaginary = parts[1]?.[index];
    if (!isValue(real) || !isValue(imaginary)) throw call.unsupported('complex numbers');
    return new Complex(real, imaginary);
  });
}

/** The same node on one part of its complex tensors. */
function runOn(call: Call, part: 'real' | 'imaginary'): Result | readonly Result[] {
  const half = call.onPart(part);
  const view = viewRuleOf(call.target);
  const lower = ruleOf(call.target);
  if (view === undefined && lower === undefined) throw call.unsupported('has no lowering');
  const made = view !== undefined ? view.show(half, half.tensor(view.of)) : lower?.(half);
  call.askedBy(half);
  return made;
}

function bindView(given: Call, rule: ViewRule, scope: GraphScope): void {
  const base = given.cell(rule.of);
  // Arguments beside the base say where it is looked at: the same for both parts of a complex one.
  const call = given.isComplex ? given.onPart('real') : given;
  const { back } = rule;
  const names = resultNames(call.node);
  const shows =
    (index: number) =>
    (content: Tensorial): Tensorial =>
      ofParts(content, (part) => pick(call, rule.show(call, part), index));
  const isView = rule.when?.(call) ?? true;
  const first = base.read();
  const shown = isValue(first) ? rule.show(call, first) : undefined;
  for (const [index, name] of names.entries()) {
    if (name === undefined) continue;
    const made = shown === undefined ? shows(index)(first) : pick(call, shown, index);
    const alone = names.length === 1 && isValue(made) ? called(made, name) : made;
    const content = settled(alone, name, scope);
    const carried =
      back === undefined
        ? undefined
        : (whole: Tensorial, part: Tensorial): Tensorial =>
            ofParts(whole, (own, which) => back(call, own, partOf(part, which), index));
    scope.setCell(name, isView ? new Cell(content, { base, show: shows(index), back: carried }) : new Cell(content));
  }
  if (call !== given) given.askedBy(call);
}

type Part = 'real' | 'imaginary';

/** A real tensor by itself, a complex one part by part. */
function ofParts(content: Tensorial, maker: (own: Value, part: Part) => Value): Tensorial {
  if (isValue(content)) return maker(content, 'real');
  return new Complex(maker(content.real, 'real'), maker(content.imaginary, 'imaginary'));
}

function partOf(content: Tensorial, part: Part): Value {
  return isValue(content) && part === 'real' ? content : complexOf(content)[part];
}

function pick(call: Call, shown: Value | readonly Value[], index: number): Value {
  const value = isValue(shown) ? (index === 0 ? shown : undefined) : shown[index];
  if (value === undefined) throw call.unsupported(`has no result ${index}`);
  return value;
}

function inPlaceOf(call: Call, functional: string, scope: GraphScope): void {
  const target = functional === 'aten.transpose.default' ? 'aten.transpose.int' : functional;
  const view = viewRuleOf(target);
  if (view === undefined) write(call, target, scope);
  else turn(call, target, view, scope);
}

/** `unsqueeze_`: the tensor itself becomes a view of what it was, under all its names. */
function turn(call: Call, functional: string, view: ViewRule, scope: GraphScope): void {
  const twin = call.as(functional);
  const before = call.cell(view.of);
  bindView(twin, view, scope);
  call.askedBy(twin);
  const [name] = resultNames(call.node);
  const after = name === undefined ? undefined : scope.cell(name);
  if (after !== undefined) scope.replaceCell(before, after);
}

/** `add_`: the result of `add`, in the element type and shape of what it is written to. */
function write(call: Call, functional: string, scope: GraphScope): void {
  const name = call.node.inputs[0]?.name ?? 'self';
  const cell = call.cell(name);
  const plain = ruleOf(functional);
  if (plain === undefined && !call.isComplex) throw call.unsupported('has no lowering');
  if (!cell.writable) throw call.unsupported('writes to a view through which nothing can be written back');
  const before = cell.read();
  const twin = call.as(functional);
  const [made] = resultsOf(twin.isComplex ? lowerComplex(twin) : plain?.(twin));
  call.askedBy(twin);
  if (made === undefined || !(isValue(made) || made instanceof Complex)) throw call.unsupported('gives no tensor');
  cell.write(ofParts(before, (own, part) => broadcastTo(cast(partOf(made, part), own.dtype ?? 'float32'), own)));
  for (const result of resultNames(call.node)) if (result !== undefined) scope.setCell(result, cell);
}

/** In-place operators keep the shape of what they write to. */
function broadcastTo(made: Value, like: Value): Value {
  const same =
    made.shape?.length === like.shape?.length &&
    made.shape?.every((dim, axis) => dim === like.shape?.[axis] && dim !== undefined);
  return same === true ? made : op.expand(made, op.shape(like));
}

function resultsOf(result: Result | readonly Result[]): readonly Result[] {
  return Array.isArray(result) ? (result as readonly Result[]) : [result as Result];
}

/** Names of a node's results in order; undefined for one that has none. */
function resultNames(node: ProgramNode): (string | undefined)[] {
  return node.outputs
    .flatMap((output): readonly Argument[] => (output.kind === 'list' ? output.items : [output]))
    .map((output) => (output.kind === 'tensor' || output.kind === 'symbol' ? output.name : undefined));
}

/** Gives the results of a node their names. */
function bind(node: ProgramNode, result: Result | readonly Result[], scope: GraphScope): void {
  const results = resultsOf(result);
  const outputs = node.outputs.flatMap((output): readonly Argument[] =>
    output.kind === 'list' ? output.items : [output],
  );
  for (const [index, output] of outputs.entries()) {
    const made = results[index];
    if (output.kind === 'tensor') {
      // A result that nothing uses need not be computed; one that something uses is found missing there.
      if (made === undefined) continue;
      const tensor = tensorOf(made);
      const alone = results.length === 1 && isValue(tensor) ? called(tensor, output.name) : tensor;
      scope.setCell(output.name, new Cell(settled(alone, output.name, scope)));
    } else if (output.kind === 'symbol' && made !== undefined) {
      const dim = scope.graph.integers.get(output.name);
      if (typeof dim === 'number') scope.setSymbol(output.name, dim);
      else if (made instanceof Sym)
        scope.setSymbol(output.name, made.dim === undefined && dim !== undefined ? new Sym(made.value, dim) : made);
      else if (isValue(made)) scope.setSymbol(output.name, new Sym(made, dim));
      else if (typeof made === 'number' || typeof made === 'boolean') scope.setSymbol(output.name, made);
    }
  }
}

function tensorOf(result: Exclude<Result, undefined>): Tensorial {
  if (result instanceof Sym) return result.value;
  if (typeof result === 'number') return constant(result, Number.isInteger(result) ? 'int64' : 'float32');
  return typeof result === 'boolean' ? constant(result) : result;
}

/** Values that have been given to a name of the program: what is given again keeps the name it got first. */
const taken = new WeakSet<Value>();

/** A single result carries the program's own name for it into the file. */
function called(value: Value, name: string): Value {
  const { source } = value;
  if (source.kind !== 'output' || value.name !== undefined || taken.has(value)) return value;
  const { node, index } = source;
  if (node.outputs.length !== 1 || hasGraph(node)) return value;
  const inferred = node.outputs.map(({ type, known }) => ({ type, known }));
  return makeNode({ ...node, outputCount: 1, outputNames: [name], inferred }).outputs[index] ?? value;
}

function hasGraph(node: { readonly attributes: ReadonlyMap<string, { readonly kind: string }> }): boolean {
  return [...node.attributes.values()].some(({ kind }) => kind === 'graph' || kind === 'graphs');
}

/** A result as the program describes it: of its element type, of its rank, and with the sizes that inference does not know. */
function settled(content: Tensorial, name: string, scope: GraphScope): Tensorial {
  const meta = scope.meta(name);
  if (meta === undefined) return content;
  if (content instanceof Complex)
    return new Complex(settledValue(content.real, meta, name), settledValue(content.imaginary, meta, name));
  const own = settledValue(content, meta, name);
  // Zeros of a complex type and the like: what gives real numbers is their real part.
  return /^complex/.test(meta.dtype) ? complexOf(own) : own;
}

function settledValue(value: Value, meta: TensorMeta, name: string): Value {
  taken.add(value);
  const made = cast(value, computed(meta.dtype));
  const { shape } = made;
  if (shape !== undefined && shape.length !== meta.sizes.length)
    throw new HopfcoleError(
      'UNSUPPORTED_OPERATOR',
      `its result should be ${describeType(tensorType(meta.dtype, meta.sizes))}, the graph gives ${describeType(made.type)}`,
      { tensor: name },
    );
  const sized = withSizes(made, meta.sizes);
  taken.add(sized);
  return sized;
}

/** The value with the sizes that are said of it, where inference knows less. */
function withSizes(value: Value, sizes: Shape): Value {
  const { source, shape } = value;
  if (source.kind !== 'output' || sizes === undefined) return value;
  const merged = shape === undefined ? sizes : shape.map((dim, axis) => dim ?? sizes[axis]);
  if (shape !== undefined && merged.every((dim, axis) => dim === shape[axis])) return value;
  const { node, index } = source;
  if (node.outputs.length !== 1 || hasGraph(node)) return value;
  const [only] = node.outputs;
  const inferred = [{ type: tensorType(value.dtype, merged), known: only?.known }];
  return makeNode({ ...node, outputCount: 1, outputNames: [only?.name], inferred }).outputs[index] ?? value;
}

/** Inputs of the same types in the place of results that could not be made. */
function standIn(node: ProgramNode, scope: GraphScope): void {
  for (const name of resultNames(node)) {
    if (name === undefined || scope.defines(name)) continue;
    const meta = scope.meta(name);
    const dtype = meta === undefined ? 'int64' : computed(meta.dtype);
    const value = makeValue({ kind: 'input' }, tensorType(dtype, meta?.sizes ?? []), name);
    if (meta === undefined) scope.setSymbol(name, new Sym(value, scope.graph.integers.get(name)));
    else scope.setCell(name, new Cell(/^complex/.test(meta.dtype) ? new Complex(value, value) : value));
  }
}

function noteModules(node: ProgramNode, scope: GraphScope, report: Report): void {
  const [name] = resultNames(node);
  const content = name === undefined ? undefined : scope.cell(name)?.read();
  if (name === undefined || !isValue(content)) return;
  report.values.set(name, content);
  for (const path of node.stack) report.modules.set(path, content);
}
