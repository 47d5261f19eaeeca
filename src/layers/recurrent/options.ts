import type { Value } from '../../graph/value.ts';

export type RecurrentKind = 'rnn' | 'gru' | 'lstm';
export type Nonlinearity = 'tanh' | 'relu';

/** One ONNX operator per layer, or an explicit Scan of the Hamilton-Jacobi step: the same numbers. */
export type RecurrentForm = 'operator' | 'scan';

/** What nn.RNN, nn.GRU and nn.LSTM have in common. What is left out is taken from the checkpoint where there is one. */
export interface RecurrentOptions {
  /** Input features; default: those of `x`. */
  readonly in?: number | undefined;
  /** H, the features of the state. */
  readonly hidden?: number | undefined;
  /** Default: as many as the checkpoint has, or 1. */
  readonly layers?: number | undefined;
  /** Default: as the checkpoint has, or false. */
  readonly bidirectional?: boolean | undefined;
  /** Default true. */
  readonly bias?: boolean | undefined;
  /** x is [batch, time, in] (default) or, where false, [time, batch, in] as PyTorch's default. Unbatched x is [time, in]. */
  readonly batchFirst?: boolean | undefined;
  /** Default: the operator where ONNX has one that runs (not for projections, nor float64 on ONNX Runtime's CPU), otherwise the Scan. */
  readonly form?: RecurrentForm | undefined;
  /** h_0 [layers * directions, batch, H]; without it zero. */
  readonly initial?: Value | undefined;
  /** Between the layers, where `training` is true. Default 0. */
  readonly dropout?: number | undefined;
  /** A bool scalar, usually an input of the graph, that switches dropout on. Default: none, and there is no dropout. */
  readonly training?: Value | undefined;
  /** Integer lengths [batch], as packed sequences: output 0 beyond them, final states at the last step within. A length of 0 keeps the initial state. */
  readonly lengths?: Value | undefined;
}

export interface RnnOptions extends RecurrentOptions {
  /** Default tanh. */
  readonly nonlinearity?: Nonlinearity | undefined;
}

export interface LstmOptions extends RecurrentOptions {
  /** c_0 [layers * directions, batch, H]; without it zero. */
  readonly initialCell?: Value | undefined;
  /** proj_size: h = W_hr (o * tanh c), of so many features. */
  readonly projection?: number | undefined;
}

/** Everything that any of the three takes. */
export type AnyRecurrentOptions = RnnOptions & LstmOptions;

export interface RecurrentValues {
  /** h of the last layer at every step, [batch, time, directions * H] (time first where `batchFirst` is false). */
  readonly output: Value;
  /** h_n [layers * directions, batch, H] */
  readonly h: Value;
  /** The last layer's final h, its directions side by side, [batch, directions * H]. */
  readonly last: Value;
}

export interface LstmValues extends RecurrentValues {
  /** c_n [layers * directions, batch, H] */
  readonly c: Value;
}

/** A recurrent network with all its sizes known. */
export interface Recurrence {
  readonly kind: RecurrentKind;
  readonly nonlinearity: Nonlinearity;
  /** H, features of the cell. */
  readonly hidden: number;
  /** Features of h: H, or those of the projection. */
  readonly state: number;
  readonly layers: number;
  readonly directions: 1 | 2;
  readonly bias: boolean;
  readonly form: RecurrentForm;
  /** Half precision recurs in float32. */
  readonly work: 'float32' | 'float64';
}

/** Features of the gates by the features of the state. */
export const gateCount: Readonly<Record<RecurrentKind, number>> = { rnn: 1, gru: 3, lstm: 4 };
