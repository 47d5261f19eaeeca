import { isFloat } from '../../files/dtype.ts';
import { type AnyTensor, load, toNumbers } from '../../files/tensor.ts';

/** Batch normalisation found inside the weights of a product, as a checkpoint names its parts. */
export interface Unfolded {
  /** The product's own weight, as it was before. */
  readonly weight: string;
  readonly bias: string | undefined;
  /** Path of the normalisation, with what of it the checkpoint has. */
  readonly norm: string;
  readonly scale: string | undefined;
  readonly shift: string | undefined;
  readonly mean: string;
  readonly variance: string;
  readonly epsilon: number;
}

/** The epsilons that people write. */
const epsilons = [1e-5, 1e-3, 1e-6, 1e-4, 1e-2, 1e-8, 1e-7, 1e-12, 0];

/** How far a folded number may be from the product it should be, of the largest of its channel: exporters fold in float32. */
const tolerance = 2e-6;

/** A checkpoint's tensors by name, its batch normalisations, and each read as numbers once. */
export class Checkpoint {
  private readonly tensors: ReadonlyMap<string, AnyTensor>;
  private readonly read = new Map<string, Promise<Float64Array>>();
  readonly norms: readonly string[];

  constructor(tensors: ReadonlyMap<string, AnyTensor>) {
    this.tensors = tensors;
    this.norms = [...tensors.keys()]
      .filter((name) => name.endsWith('running_mean') && tensors.has(name.replace(/mean$/, 'var')))
      .map((name) => name.slice(0, -'running_mean'.length));
  }

  get(name: string | undefined): AnyTensor | undefined {
    return name === undefined ? undefined : this.tensors.get(name);
  }

  named(name: string): string | undefined {
    return this.tensors.has(name) ? name : undefined;
  }

  /** Weights of that shape, those that are preferred first. */
  weightsOf(shape: readonly number[], preferred: string | undefined): readonly string[] {
    const alike = [...this.tensors].flatMap(([name, tensor]) =>
      isFloat(tensor.dtype) && String(tensor.shape) === String(shape) && /(^|\.)weight$/.test(name) ? [name] : [],
    );
    return preferred !== undefined && alike.includes(preferred) ? [preferred] : alike;
  }

  /** The one whose normalisation comes first after a name, in the order of the checkpoint. */
  following(name: string, all: readonly Unfolded[]): Unfolded | undefined {
    const order = [...this.tensors.keys()];
    const at = order.indexOf(name);
    const place = ({ mean }: Unfolded): number => (order.indexOf(mean) - at + order.length) % order.length;
    return all.toSorted((a, b) => place(a) - place(b))[0];
  }

  async numbers(name: string): Promise<Float64Array> {
    let reading = this.read.get(name);
    if (reading === undefined) {
      const tensor = this.tensors.get(name);
      reading = tensor === undefined ? Promise.resolve(new Float64Array()) : load(tensor).then(asFloat64);
      // What is large is read again rather than held.
      if (tensor !== undefined && tensor.shape.reduce((a, b) => a * b, 1) <= 1 << 16) this.read.set(name, reading);
    }
    return reading;
  }
}

function asFloat64(tensor: Parameters<typeof toNumbers>[0]): Float64Array {
  return Float64Array.from(toNumbers(tensor));
}

/**
 * The batch normalisation that was folded into a weight [channels along `axis`] and a bias [channels]: the one of the checkpoint whose scale and shift
 * give those numbers from the checkpoint's own weight; undefined where none does, or where it cannot be told which weight it was.
 */
export async function foldedNorm(
  weight: AnyTensor,
  bias: AnyTensor | undefined,
  axis: number,
  checkpoint: Checkpoint,
  preferred: { readonly weight: string | undefined; readonly norm: string | undefined },
): Promise<Unfolded | undefined> {
  const channels = weight.shape[axis] ?? 0;
  const folded = asFloat64(await load(weight));
  const shift = bias === undefined ? new Float64Array(channels) : asFloat64(await load(bias));
  const found: Unfolded[] = [];
  for (const name of checkpoint.weightsOf(weight.shape, preferred.weight)) {
    const scales = channelScales(await checkpoint.numbers(name), folded, weight.shape, axis);
    if (scales === undefined) continue;
    const own = checkpoint.named(name.replace(/weight$/, 'bias'));
    const before = own === undefined ? new Float64Array(channels) : await checkpoint.numbers(own);
    for (const norm of checkpoint.norms) {
      const epsilon = await fits(checkpoint, norm, scales, before, shift);
      if (epsilon === undefined) continue;
      found.push({
        weight: name,
        bias: own,
        norm,
        scale: checkpoint.named(`${norm}weight`),
        shift: checkpoint.named(`${norm}bias`),
        mean: `${norm}running_mean`,
        variance: `${norm}running_var`,
        epsilon,
      });
    }
  }
  const named = found.filter(({ norm }) => norm === `${preferred.norm}.`);
  const [only, other] = named.length > 0 ? named : found;
  if (other === undefined || only === undefined) return only;
  // Of several with equal numbers, those of a network not trained yet, the one that follows its product in the state dict.
  return found.every(({ weight: one }) => one === only.weight) ? checkpoint.following(only.weight, found) : undefined;
}

/** By what each channel was multiplied; undefined where that is no one number per channel. */
function channelScales(
  from: Float64Array,
  to: Float64Array,
  shape: readonly number[],
  axis: number,
): Float64Array | undefined {
  const channels = shape[axis] ?? 0;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  if (from.length !== to.length || channels === 0) return undefined;
  const channelOf = (at: number): number => Math.floor(at / inner) % channels;
  const largest = new Float64Array(channels);
  const scales = new Float64Array(channels);
  from.forEach((value, at) => {
    const channel = channelOf(at);
    if (Math.abs(value) <= (largest[channel] ?? 0)) return;
    largest[channel] = Math.abs(value);
    scales[channel] = (to[at] ?? 0) / value;
  });
  const holds = from.every((value, at) => {
    const channel = channelOf(at);
    const [scale = 0, size = 0] = [scales[channel], largest[channel]];
    return Math.abs((to[at] ?? 0) - value * scale) <= tolerance * Math.abs(scale) * size + Number.MIN_VALUE;
  });
  return holds ? scales : undefined;
}

/** The epsilon with which a normalisation has these scales, and these shifts over a bias before it. */
async function fits(
  checkpoint: Checkpoint,
  norm: string,
  scales: Float64Array,
  before: Float64Array,
  shift: Float64Array,
): Promise<number | undefined> {
  const mean = await checkpoint.numbers(`${norm}running_mean`);
  const variance = await checkpoint.numbers(`${norm}running_var`);
  if (mean.length !== scales.length) return undefined;
  const part = async (name: string, otherwise: number): Promise<Float64Array> =>
    checkpoint.named(name) === undefined ? new Float64Array(scales.length).fill(otherwise) : checkpoint.numbers(name);
  const gamma = await part(`${norm}weight`, 1);
  const beta = await part(`${norm}bias`, 0);
  return epsilons.find((epsilon) =>
    scales.every((scale, c) => {
      const expected = (gamma[c] ?? 0) / Math.sqrt((variance[c] ?? 0) + epsilon);
      const moved = (beta[c] ?? 0) + ((before[c] ?? 0) - (mean[c] ?? 0)) * expected;
      const size = Math.abs(beta[c] ?? 0) + (Math.abs(before[c] ?? 0) + Math.abs(mean[c] ?? 0)) * Math.abs(expected);
      return (
        Math.abs(scale - expected) <= 8 * tolerance * Math.abs(expected) + Number.MIN_VALUE &&
        Math.abs((shift[c] ?? 0) - moved) <= 8 * tolerance * size + Number.MIN_VALUE
      );
    }),
  );
}
