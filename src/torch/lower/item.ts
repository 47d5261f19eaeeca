import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import type { Constant } from '../schema/program.ts';

/** A complex tensor as two real ones of its shape: ONNX has no arithmetic on complex numbers. */
export class Complex {
  readonly real: Value;
  readonly imaginary: Value;

  constructor(real: Value, imaginary: Value) {
    this.real = real;
    this.imaginary = imaginary;
  }
}

/** A number that is known when the program runs: a size, or arithmetic on sizes. */
export class Sym {
  /** The size as an expression, where it is one. */
  readonly dim: Dim;
  /** A scalar: int64, float32, float64 or bool. */
  readonly value: Value;

  constructor(value: Value, dim: Dim = undefined) {
    this.value = value;
    this.dim = dim;
  }
}

/** What a tensor of PyTorch is in the graph. */
export type Tensorial = Value | Complex;

/** A size: known, or known when the program runs. */
export type Size = number | Sym;

/** A number as an operator's argument. */
export type Scalar = Constant | Sym;

/** What a lowering gives for one result of a node; undefined for one that nothing uses. */
export type Result = Tensorial | Sym | number | boolean | undefined;
