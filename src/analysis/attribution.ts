import { attribution } from '../../ops/attribution.ts';
import { bodyOpset } from '../../ops/domain.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers, type Tensor, toNumbers } from '../files/tensor.ts';
import type { Model, Output } from '../graph/graph.ts';
import { constant, input } from '../graph/make.ts';
import { model as makeModel } from '../graph/model.ts';
import * as op from '../graph/op.ts';
import { opsetOf, raiseOpset } from '../graph/passes/opset/raise.ts';
import type { Value } from '../graph/value.ts';
import { argumentsOf, blocksOf } from '../reading/arguments.ts';
import { isOperator, type Site, sitesOf } from '../reading/sites.ts';
import { buildOn } from './splice.ts';

/** What is to be attributed, and how much of it is to be told. */
export interface AttributionRequest {
  /** Name of the site; default: the last exact one. */
  readonly site?: string | undefined;
  /** Another temperature at the same weights; `'input'`: a further float32 input (`epsilonInput`) of shape [], so that a sweep needs one graph. */
  readonly epsilon?: number | 'input' | undefined;
  /** Atoms kept per row, the heaviest first. */
  readonly top: number | 'all';
  /** Give the site's own input and value too. */
  readonly withQuery?: boolean;
}

/** A graph that attributes, and the site it speaks of. */
export interface AttributionGraph {
  readonly site: Site;
  /** Takes the inputs of the given model; gives what `attributionResult` reads. */
  readonly model: Model;
}

/** Name of the further input of a graph for sweeps. */
export const epsilonInput = 'attribution/epsilon';

/** Outputs have names that no model's own input has. */
function result(name: string): string {
  return `attribution/${name === 'epsilon' ? 'temperature' : name}`;
}

/** Beyond this many classes a softmax head is not attributed: its atoms are the unit vectors, N x N numbers. */
const headLimit = 4096;

/**
 * The graph that attributes a site's value to its atoms (docs/theory.md): one Attribution call per head on the site's own inputs.
 * @throws NO_SITE, UNKNOWN_SITE, UNSUPPORTED_SITE.
 */
export function attributionGraph(given: Model, request: AttributionRequest): AttributionGraph {
  const model = atBodyOpset(given);
  const site = chooseSite(sitesOf(model), request.site);
  const args = argumentsOf(site.node);
  const epsilon = epsilonOf(request.epsilon) ?? args.get('epsilon');
  if (epsilon === undefined) throw unsupported(site);
  const opset = opsetOf(model.opsets) ?? bodyOpset;
  const made = buildOn(opset, (standIn) => attributed(site, args, epsilon, request, standIn));
  const outputs: Output[] = [
    ...Object.entries(made).map(([name, value]) => ({ name, value })),
    { name: result('epsilon'), value: epsilon },
    ...(request.withQuery === true ? probes(site, args) : []),
  ];
  const built = makeModel({
    name: `attribution of ${site.name}`,
    inputs: request.epsilon === 'input' ? [...model.graph.inputs, epsilon] : model.graph.inputs,
    outputs,
    opset,
    ir: Math.max(10, model.irVersion),
    functions: model.functions,
    opsets: Object.fromEntries([...model.opsets].filter(([domain]) => domain !== '' && domain !== 'ai.onnx')),
  });
  return { site, model: built };
}

/** The Attribution calls, one per head, and their results side by side. */
function attributed(
  site: Site,
  args: ReadonlyMap<string, Value>,
  epsilon: Value,
  request: AttributionRequest,
  standIn: (value: Value) => Value,
): Record<string, Value> {
  const stood = new Map([...args].map(([name, value]) => [name, standIn(value)]));
  const { x, heads } = atomsOf(site, stood);
  const k = constant(fromNumbers('int64', [], [request.top === 'all' ? Number.MAX_SAFE_INTEGER : request.top]));
  const results = heads.map(({ w, b }) => attribution(x, w, b, standIn(epsilon), k));
  const merged = (pick: (found: (typeof results)[number]) => Value): Value => {
    const values = results.map(pick);
    const [only] = values;
    if (!isBank(site) && only !== undefined) return only;
    const axis = constant(fromNumbers('int64', [1], [1]));
    return op.concat(
      values.map((value) => op.unsqueeze(value, axis)),
      { axis: 1 },
    );
  };
  return {
    [result('f')]: merged((r) => r.f),
    [result('entropy')]: merged((r) => r.entropy),
    [result('costate')]: merged((r) => r.costate),
    [result('index')]: merged((r) => r.indices),
    [result('weight')]: merged((r) => r.weights),
    [result('rest')]: merged((r) => r.rest),
  };
}

/** The site's own input, and its own value where the node itself gives f. */
function probes({ node }: Site, args: ReadonlyMap<string, Value>): Output[] {
  const [f] = node.outputs;
  const x = args.get('X') ?? args.get('Z');
  const given = f !== undefined && (node.opType === 'LogSumExp' || node.opType === 'Solution');
  return [
    ...(x === undefined ? [] : [{ name: result('query'), value: x }]),
    ...(given ? [{ name: result('value'), value: f }] : []),
  ];
}

/** The operators' bodies stand at opset 21; an older model is raised to it. */
function atBodyOpset(model: Model): Model {
  const opset = opsetOf(model.opsets);
  return opset !== undefined && opset < bodyOpset ? raiseOpset(model, bodyOpset) : model;
}

/** The site of that name, or the last exact one. */
function chooseSite(sites: readonly Site[], name: string | undefined): Site {
  const names = sites.map((site) => site.name).join(', ');
  if (name !== undefined) {
    const found = sites.find((site) => site.name === name);
    if (found !== undefined) return found;
    throw new HopfcoleError(
      'UNKNOWN_SITE',
      `no site '${name}'`,
      {},
      names === '' ? 'The model has no HJ sites' : `Sites: ${names}`,
    );
  }
  const last = sites
    .filter((site) => isOperator(site) && site.status === 'exact')
    .filter(({ kind }) => kind === 'lse' || kind === 'softmax-head')
    .at(-1);
  if (last !== undefined) return last;
  throw new HopfcoleError(
    'NO_SITE',
    'the model has no exact HJ site with atoms',
    {},
    'hopfcole inspect lists the sites; build one with hopfcole build or import',
  );
}

function isBank(site: Site): boolean {
  return site.kind === 'lse' && site.heads !== undefined;
}

interface Atoms {
  readonly x: Value;
  readonly heads: readonly { readonly w: Value | readonly Value[]; readonly b: Value | readonly Value[] }[];
}

function atomsOf(site: Site, args: ReadonlyMap<string, Value>): Atoms {
  if (site.node.overload.split('_').some((part) => part === 'streamed' || part === 'masked' || part === 'biased'))
    throw unsupported(site);
  const x = args.get('X');
  const z = args.get('Z');
  if (site.kind === 'softmax-head' && z?.shape?.length === 2) return headAtoms(site, z);
  const w = blocksOf(args, 'W');
  const b = blocksOf(args, 'b');
  if (site.kind !== 'lse' || x === undefined || w.length === 0 || w.length !== b.length) throw unsupported(site);
  if (!isBank(site)) return { x, heads: [w.length === 1 ? { w: w[0] ?? x, b: b[0] ?? x } : { w, b }] };
  const [W] = w;
  const [B] = b;
  if (W === undefined || B === undefined) throw unsupported(site);
  const heads = Array.from({ length: site.heads ?? 0 }, (_, index) => {
    const at = constant(fromNumbers('int64', [], [index]));
    return { w: op.gather(W, at, { axis: 0 }), b: op.gather(B, at, { axis: 0 }) };
  });
  return { x, heads };
}

/** A softmax head over logits z is an LSE layer on z whose atoms are the unit vectors. */
function headAtoms(site: Site, z: Value): Atoms {
  const n = site.atoms;
  if (n === null || n > headLimit) throw unsupported(site);
  const eye = new Float64Array(n * n);
  for (let i = 0; i < n; i++) eye[i * n + i] = 1;
  const dtype = z.dtype ?? 'float32';
  return {
    x: z,
    heads: [
      { w: constant(fromNumbers(dtype, [n, n], eye)), b: constant(fromNumbers(dtype, [n], new Float64Array(n))) },
    ],
  };
}

function unsupported(site: Site): HopfcoleError {
  return new HopfcoleError(
    'UNSUPPORTED_SITE',
    `Gibbs attribution goes over an unmasked LSE layer or a softmax head of at most ${headLimit} classes; site '${site.name}' is ${site.where}`,
    {},
    'Choose another with --site',
  );
}

function epsilonOf(asked: AttributionRequest['epsilon']): Value | undefined {
  if (asked === undefined) return undefined;
  return asked === 'input' ? input(epsilonInput, 'float32', []) : constant(fromNumbers('float32', [], [asked]));
}

/** What an attribution graph gave, with leave-one-out. Leading axes: [B], or [B, heads] for a bank. */
export interface AttributionResult {
  readonly f: Tensor;
  readonly entropy: Tensor;
  readonly effectiveAtoms: Tensor;
  readonly costate: Tensor;
  readonly index: Tensor;
  readonly weight: Tensor;
  /** f without the atom minus f: never positive, -inf where no other atom is left. */
  readonly leaveOneOut: Tensor;
  readonly epsilon: number;
  /** The site's own input [B, d], where it was asked for. */
  readonly query?: Tensor;
  /** f as the model's own node computes it, where it was asked for. */
  readonly value?: Tensor;
}

/** @throws MISSING_OUTPUT when the outputs are not those of `attributionGraph`. */
export function attributionResult(outputs: ReadonlyMap<string, Tensor>): AttributionResult {
  const take = (name: string): Tensor => {
    const tensor = outputs.get(result(name));
    if (tensor === undefined) throw new HopfcoleError('MISSING_OUTPUT', `the attribution graph gave no '${name}'`);
    return tensor;
  };
  const [f, weight, rest, entropy] = [take('f'), take('weight'), take('rest'), take('entropy')];
  const epsilon = toNumbers(take('epsilon'))[0] ?? Number.NaN;
  const query = outputs.get(result('query'));
  const value = outputs.get(result('value'));
  const effective = toNumbers(entropy).map(Math.exp);
  const left = leaveOneOut(toNumbers(f), toNumbers(weight), toNumbers(rest), epsilon);
  return {
    f,
    entropy,
    effectiveAtoms: fromNumbers('float64', entropy.shape, effective),
    costate: take('costate'),
    index: take('index'),
    weight,
    leaveOneOut: fromNumbers('float64', weight.shape, left),
    epsilon,
    ...(query === undefined ? {} : { query }),
    ...(value === undefined ? {} : { value }),
  };
}

/**
 * eps log1p(-pi_j), exact and stable while pi_j <= 1/2; for the heavier leading atom the log-sum-exp of the others minus f,
 * since 1 - pi rounds to 0 long before the others are gone (docs/theory.md).
 */
function leaveOneOut(f: Float64Array, weight: Float64Array, rest: Float64Array, epsilon: number): Float64Array {
  const kept = f.length === 0 ? 0 : weight.length / f.length;
  return weight.map((pi, position) => {
    if (pi <= 0.5) return epsilon * Math.log1p(-pi);
    const row = Math.floor(position / kept);
    return Math.min(0, (rest[row] ?? Number.NaN) - (f[row] ?? Number.NaN));
  });
}
