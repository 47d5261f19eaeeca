import type { Value } from '../../graph/value.ts';
import { linear } from '../linear.ts';
import { lse, softmax } from '../lse.ts';
import { type Epsilon, layer, type Module } from '../module.ts';
import { type Activation, activation } from '../units.ts';

export interface MlpOptions {
  /** Features of each hidden layer and of the output; may be left out where a checkpoint says them by consecutive layers. */
  readonly sizes: readonly number[];
  /** Default relu. */
  readonly activation?: Activation | undefined;
  readonly bias?: boolean | undefined;
  /** Whether the last layer is followed by the activation too. */
  readonly activateLast?: boolean | undefined;
}

/**
 * Multilayer perceptron: Linear, activation, Linear, ... with the names that nn.Sequential gives (`0.weight`, `2.weight`, ..., activations take a
 * number too). x [.., in] -> [.., sizes.at(-1)].
 */
export function mlp(module: Module, x: Value, options: MlpOptions): Value {
  return layer(mlp, module, 'mlp', () => {
    const { sizes, activation: unit = 'relu', bias = true, activateLast = false } = options;
    return sizes.reduce((value, out, index) => {
      const z = linear(module.at(2 * index), value, { out, bias });
      const isLast = index === sizes.length - 1;
      return isLast && !activateLast ? z : activation(module.at(2 * index + 1), z, unit);
    }, x);
  });
}

export interface LseNetworkOptions {
  /** Units of each layer: the last are the outputs. */
  readonly units: readonly number[];
  /** Atoms of every unit. */
  readonly atoms: number;
  readonly epsilon?: Epsilon | undefined;
  /** Ends in softmax weights at this temperature. */
  readonly head?: Epsilon | undefined;
}

/**
 * LSE network: banks of log-sum-exp units one after the other, each layer exactly a viscous solution of its own initial data. x [batch, d] ->
 * [batch, units.at(-1)]; parameters `layers.0.weight` [K, N, d], `layers.0.bias` [K, N], ...
 */
export function lseNetwork(module: Module, x: Value, options: LseNetworkOptions): Value {
  return layer(lseNetwork, module, 'lse-network', () => {
    const { units, atoms, epsilon } = options;
    const f = units.reduce(
      (value, count, index) => lse(module.at(`layers.${index}`), value, { units: count, atoms, epsilon }),
      x,
    );
    return options.head === undefined ? f : softmax(module.at('head'), f, { epsilon: options.head });
  });
}
