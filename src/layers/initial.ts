import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** A source of uniform numbers in [0, 1), the same for the same seed everywhere. */
export type Random = () => number;

/**
 * How a fresh parameter is filled: called once per parameter with its own source of random numbers, then once per entry in
 * row-major order. PyTorch's distributions, not its bits.
 */
export type Initial = (random: Random) => (index: number) => number;

/** Every entry the same. */
export function filled(value: number): Initial {
  return () => () => value;
}

export const zeros: Initial = filled(0);
export const ones: Initial = filled(1);

/** U(-bound, bound). */
export function uniform(bound: number): Initial {
  return (random) => () => (2 * random() - 1) * bound;
}

/** nn.Linear, nn.Conv*d: weight and bias are U(-1/sqrt(fanIn), 1/sqrt(fanIn)) (kaiming_uniform_ with a = sqrt 5). */
export function fanInUniform(fanIn: number): Initial {
  return uniform(1 / Math.sqrt(Math.max(1, fanIn)));
}

/** nn.init.xavier_uniform_: U(-a, a), a = sqrt(6/(fanIn + fanOut)). */
export function xavierUniform(fanIn: number, fanOut: number): Initial {
  return uniform(Math.sqrt(6 / Math.max(1, fanIn + fanOut)));
}

/** N(mean, std^2). */
export function normal(std = 1, mean = 0): Initial {
  return (random) => () => mean + std * standardNormal(random);
}

/** N(0, std^2), and zeros in row `row` of a table [entries, width]: nn.Embedding's padding_idx. */
export function normalExceptRow(std: number, row: number | undefined, width: number): Initial {
  return (random) => (index) => {
    const value = std * standardNormal(random);
    return row !== undefined && Math.floor(index / width) === row ? 0 : value;
  };
}

/** Entries by their place in row-major order. */
export function byIndex(value: (index: number) => number): Initial {
  return () => value;
}

/** The random numbers of one parameter: they depend on the seed and on its name alone, so that another layer changes nothing. */
export function seeded(seed: number, name: string): Random {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  const generator = xoroshiro128plus((seed ^ hash) | 0);
  return () => uniformFloat64(generator);
}

/** Standard normal by Box and Muller. */
function standardNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
