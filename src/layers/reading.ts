/** How far a layer is a discretised Hamilton-Jacobi equation: exactly, in structure only, or an open question. */
export type Status = 'exact' | 'structural' | 'open';

/** What a layer is in Hamilton-Jacobi terms, as data (docs/theory.md has the table). */
export interface Reading {
  readonly name: string;
  readonly kind: string;
  readonly status: Status;
  readonly hamiltonian: string;
  /** Viscosity: a number, or words where it is learned or is none. */
  readonly viscosity: number | string;
  /** The equation the layer solves, in plain text. */
  readonly equation: string;
}

export function lseReading(name: string, epsilon: number | string): Reading {
  return {
    name,
    kind: 'lse',
    status: 'exact',
    hamiltonian: '|p|^2',
    viscosity: epsilon,
    equation: `u_t + |grad u|^2 = ${epsilon} Lap u, f = |x|^2/(4t) - u`,
  };
}

export function softmaxReading(name: string, temperature: number | string): Reading {
  return {
    name,
    kind: 'softmax-head',
    status: 'exact',
    hamiltonian: '|p|^2',
    viscosity: temperature,
    equation: `Gibbs weights of u_t + |grad u|^2 = ${temperature} Lap u`,
  };
}

export function reluReading(name: string): Reading {
  return {
    name,
    kind: 'relu',
    status: 'exact',
    hamiltonian: '|p|^2',
    viscosity: 0,
    equation: 'per unit max(z, 0): the eps -> 0 limit of eps log(e^(z/eps) + 1), two atoms',
  };
}

/** A linear layer carries values between layers; it solves no equation of its own. */
export function linearReading(name: string): Reading {
  return { name, kind: 'linear', status: 'structural', hamiltonian: 'none', viscosity: 'none', equation: 'z = Wx + b' };
}
