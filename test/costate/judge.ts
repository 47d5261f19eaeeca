import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import type { DType } from '../../src/files/dtype.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { cast as castOf23 } from '../../src/graph/generated/opset23.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input } from '../../src/graph/make.ts';
import { type ModelSpec, model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Dim } from '../../src/graph/type.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { normal } from '../ops/run.ts';
import { hasPython, python } from '../support/python.ts';

export type Values = Readonly<Record<string, Value>>;
type Real = 'float32' | 'float64';

/** An operator on numbers, what PyTorch calls it, and how it is judged. */
export interface Case {
  readonly name: string;
  /** By name. A list of sizes stands for normal random float64 numbers. Floating-point inputs are differentiated. */
  readonly inputs: Readonly<Record<string, Tensor | readonly number[]>>;
  /** The outputs; `dtype` is that of the floating-point inputs (each case is built in float64 and in float32). */
  readonly build: (v: Values, dtype: Real) => Value | readonly Value[];
  /** Python of the same outputs (floating-point ones; `return` for more than an expression), on tensors named as the inputs. */
  readonly torch?: string;
  /** Floating-point inputs that are held fixed. */
  readonly fixed?: readonly string[];
  /** Inputs whose shape is declared in the symbolic variant too (of an operator that needs it). True: no symbolic variant. */
  readonly static?: true | readonly string[];
  /** Dims declared in the symbolic variant in place of one symbol per axis: the same symbol in two inputs, or a size among symbols. */
  readonly dims?: Readonly<Record<string, readonly Dim[]>>;
  /** false: first order only. */
  readonly second?: false;
  /** false: ONNX Runtime's CPU has no kernel even in float32. */
  readonly float32?: false;
  /** Engines of the float64 graphs, in the order they are tried. */
  readonly engines?: readonly ('ort' | 'reference')[];
  /** What becomes of the float64 models, of an operator that no engine has in float64. */
  readonly wide?: (made: Model) => Model;
  /** false: onnx does not know the operator, so its checker is not asked. */
  readonly checked?: false;
  readonly opset?: number;
  readonly opsets?: Readonly<Record<string, number>>;
  readonly step?: number;
  readonly tolerance?: Partial<Tolerance>;
}

interface Tolerance {
  readonly torch: number;
  readonly differences: number;
  readonly second: number;
  readonly float32: number;
}

const usual: Tolerance = { torch: 1e-9, differences: 1e-6, second: 1e-5, float32: 2e-4 };

type Errors = Readonly<Record<string, number | string>>;
interface Verdict {
  readonly error?: string;
  readonly variants?: readonly {
    readonly variant: string;
    readonly problem?: string;
    readonly engine?: string;
    readonly why?: readonly string[];
    readonly forward?: number | string;
    readonly torch?: Errors;
    readonly differences?: Errors;
    readonly second?: Errors;
    readonly torchSecond?: Errors;
    readonly float32?: Errors;
  }[];
}

/** Judges all cases in one Python process, and has one test for each. */
export function judged(title: string, cases: readonly Case[]): void {
  describe.skipIf(!hasPython)(title, () => {
    let verdicts: readonly Verdict[] = [];
    const only = process.env.ONLY;
    const chosen = only === undefined ? cases : cases.filter(({ name }) => name.includes(only));
    beforeAll(() => {
      verdicts = judgeAll(chosen);
    }, 600_000);
    it.each(chosen.map((one, index) => [one.name, one, index] as const))('%s', (_, one, index) => {
      const verdict = verdicts[index];
      const limits = { ...usual, ...one.tolerance };
      expect(verdict?.error).toBeUndefined();
      for (const found of verdict?.variants ?? []) {
        const where = `${found.variant} shapes (${found.engine ?? found.why?.join('; ')})`;
        expect(found.problem, where).toBeUndefined();
        if (process.env.VERBOSE !== undefined) console.log(JSON.stringify(found));
        if (found.forward !== undefined) expect(found.forward, `${where}: forward`).toBeLessThan(1e-4);
        within(found.torch, limits.torch, `${where}: against PyTorch`);
        within(found.differences, limits.differences, `${where}: against differences`);
        within(found.second, limits.second, `${where}: second order against differences of the first`);
        within(found.torchSecond, Math.max(limits.torch, 1e-8), `${where}: second order against PyTorch`);
        within(found.float32, limits.float32, `${where}: float32 in ONNX Runtime`);
      }
    });
  });
}

function within(errors: Errors | undefined, limit: number, what: string): void {
  // An infinite limit: not judged, as where differences leave the domain.
  if (limit === Number.POSITIVE_INFINITY) return;
  for (const [name, error] of Object.entries(errors ?? {})) expect(error, `${what}: ${name}`).toBeLessThan(limit);
}

function judgeAll(cases: readonly Case[]): readonly Verdict[] {
  const prepared = cases.map((one): object | { readonly failed: string } => {
    try {
      return ask(one);
    } catch (error) {
      return { failed: error instanceof Error ? `${error.stack ?? error.message}` : String(error) };
    }
  });
  const sent = prepared.filter((one) => !('failed' in one));
  const program = readFileSync(join(import.meta.dirname, 'judge.py'), 'utf8');
  const answers = JSON.parse(python(program, [import.meta.dirname], JSON.stringify(sent))) as Verdict[];
  let next = 0;
  return prepared.map((one) => ('failed' in one ? { error: String(one.failed) } : (answers[next++] ?? {})));
}

function ask(one: Case): object {
  const inputs = Object.fromEntries(
    Object.entries(one.inputs).map(([name, given], index) => [
      name,
      'dtype' in given ? given : normal('float64', given, index + 1),
    ]),
  );
  const wrt = Object.keys(inputs).filter(
    (name) => inputs[name]?.dtype === 'float64' && one.fixed?.includes(name) !== true,
  );
  const variants = one.static === true ? (['known'] as const) : (['known', 'symbolic'] as const);
  let of: readonly string[] = [];
  const made = variants.map((name) => {
    const build = (dtype: Real) => {
      const plain = model(specOf(one, inputs, dtype, name === 'symbolic'));
      of = plain.graph.outputs.filter(({ value }) => value.dtype === dtype).map((output) => output.name);
      const order = one.second === false ? 1 : 2;
      return { plain, full: costate(plain, { wrt, of, seed: 'input', order }).model };
    };
    const [wide, narrow] = [build('float64'), build('float32')];
    const stand = one.wide ?? ((made: Model) => made);
    return {
      name,
      forward: encoded(stand(wide.plain)),
      forward32: encoded(narrow.plain),
      float64: encoded(stand(wide.full)),
      float32: encoded(narrow.full),
    };
  });
  return {
    inputs: Object.fromEntries(
      Object.entries(inputs).map(([name, { dtype, shape, bytes }]) => [
        name,
        { dtype, shape, data: Buffer.from(bytes).toString('base64') },
      ]),
    ),
    wrt,
    of,
    variants: made,
    torch: one.torch,
    second: one.second !== false,
    float32: one.float32 !== false,
    checked: one.checked !== false,
    engines: one.engines ?? ['ort', 'reference'],
    step: one.step ?? 1e-6,
  };
}

function encoded(made: ReturnType<typeof model>): string {
  return Buffer.from(encodeModel(toProto(made))).toString('base64');
}

function specOf(one: Case, inputs: Readonly<Record<string, Tensor>>, dtype: Real, symbolic: boolean): ModelSpec {
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]) => {
      const declared = symbolic && !(Array.isArray(one.static) && one.static.includes(name));
      const symbols = one.dims?.[name] ?? tensor.shape.map((_, axis) => `${name}_${axis}`);
      const shape: readonly Dim[] = declared ? symbols : tensor.shape;
      return [name, input(name, tensor.dtype === 'float64' ? dtype : tensor.dtype, shape)];
    }),
  );
  const built = one.build(values, dtype);
  const list = (Array.isArray(built) ? built : [built]) as readonly Value[];
  return {
    inputs: Object.values(values),
    outputs: list.map((value, index) => ({ name: list.length === 1 ? 'y' : `y${index}`, value })),
    ...(one.opset === undefined ? {} : { opset: one.opset }),
    ...(one.opsets === undefined ? {} : { opsets: one.opsets }),
  };
}

/** Normal random numbers pushed away from zero, or made positive: for operators with a kink or a pole there. */
export function away(shape: readonly number[], seed: number, from = 0.1): Tensor {
  const drawn = normal('float64', shape, seed);
  return mapped(drawn, (x) => x + Math.sign(x) * from);
}

export function positive(shape: readonly number[], seed: number, from = 0.2): Tensor {
  return mapped(normal('float64', shape, seed), (x) => Math.abs(x) + from);
}

/** Uniform in (low, high). */
export function between(shape: readonly number[], seed: number, low: number, high: number): Tensor {
  return mapped(normal('float64', shape, seed), (x) => low + (high - low) * (0.5 + Math.atan(x) / Math.PI));
}

function mapped(tensor: Tensor, f: (x: number) => number): Tensor {
  return fromNumbers('float64', tensor.shape, [...toNumbers(tensor)].map(f));
}

export function whole(dtype: DType, shape: readonly number[], values: readonly number[]): Tensor {
  return fromNumbers(dtype, shape, values);
}

/** A case of an operator that has no float64 form: in the float64 graphs it stands between casts. */
export function inFloat32(one: Case): Case {
  const cast = (one.opset ?? 21) < 23 ? op.cast : castOf23;
  return {
    ...one,
    build: (v, dtype) => {
      const narrow = Object.entries(v).map(([name, value]) => [
        name,
        value.dtype === 'float64' ? cast(value, { to: 'float32' }) : value,
      ]);
      const built = one.build(Object.fromEntries(narrow), 'float32');
      const list = (Array.isArray(built) ? built : [built]) as readonly Value[];
      return list.map((value) => (dtype === 'float64' ? cast(value, { to: dtype }) : value));
    },
    engines: one.engines ?? ['ort'],
    step: one.step ?? 1e-3,
    tolerance: { torch: 2e-5, differences: 1e-2, second: 1e-2, ...one.tolerance },
  };
}
