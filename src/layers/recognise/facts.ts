import { HopfcoleError } from '../../files/error.ts';
import type { Activation } from '../units.ts';
import type { Config } from './config.ts';

/** Something that neither shapes nor a configuration tell, and what it was taken for. */
export interface Assumed {
  readonly name: string;
  readonly value: string | number | boolean;
}

/** What is taken where the configuration does not say: nothing, something always, or something only beside a configuration (its library's default). */
interface Otherwise<T> {
  /** What every network of the family has. */
  readonly always?: T | undefined;
  /** What the library takes where its configuration is silent. */
  readonly beside?: T | undefined;
}

/** What Hugging Face calls the activations. */
const activations: ReadonlyMap<string, Activation> = new Map([
  ['relu', 'relu'],
  ['gelu', 'gelu'],
  ['gelu_python', 'gelu'],
  ['gelu_new', 'gelu-tanh'],
  ['gelu_fast', 'gelu-tanh'],
  ['gelu_pytorch_tanh', 'gelu-tanh'],
  ['quick_gelu', 'quick-gelu'],
  ['silu', 'silu'],
  ['swish', 'silu'],
  ['tanh', 'tanh'],
  ['sigmoid', 'sigmoid'],
  ['mish', 'mish'],
  ['relu6', 'relu6'],
  ['selu', 'selu'],
  ['elu', 'elu'],
  ['linear', 'identity'],
]);

/** Gathers what a network is beyond its names and shapes, and keeps account of what was assumed and what is still missing. */
export class Facts {
  readonly config: Config | undefined;
  readonly assumed: Assumed[] = [];
  readonly needed: string[] = [];

  constructor(config: Config | undefined) {
    this.config = config;
  }

  /** Notes an assumption and gives its value. */
  assume<T extends Assumed['value']>(name: string, value: T): T {
    this.assumed.push({ name, value });
    return value;
  }

  /** A number of at least 1, by any of its names; undefined and noted as needed where nothing tells it. */
  size(names: readonly string[], otherwise: Otherwise<number> = {}): number | undefined {
    return this.config?.size(...names) ?? this.taken(names[0] ?? '', otherwise);
  }

  number(names: readonly string[], otherwise: Otherwise<number> = {}): number | undefined {
    return this.config?.number(...names) ?? this.taken(names[0] ?? '', otherwise);
  }

  flag(names: readonly string[], otherwise: Otherwise<boolean> = {}): boolean | undefined {
    return this.config?.flag(...names) ?? this.taken(names[0] ?? '', otherwise);
  }

  /** @throws UNRECOGNISED_NETWORK for an activation that there is no layer for. */
  activation(names: readonly string[], otherwise: Otherwise<Activation> = {}): Activation | undefined {
    const said = this.config?.text(...names);
    if (said === undefined) return this.taken(names[0] ?? '', otherwise);
    const found = activations.get(said);
    if (found === undefined) throw unsupported(`the activation '${said}'`);
    return found;
  }

  private taken<T extends Assumed['value']>(name: string, { always, beside }: Otherwise<T>): T | undefined {
    const value = always ?? (this.config === undefined ? undefined : beside);
    if (value !== undefined) return this.assume(name, value);
    this.needed.push(name);
    return undefined;
  }

  /** The heads among which features are divided. @throws BAD_CONFIG where they do not divide them. */
  heads(names: readonly string[], features: number, usual: ReadonlyMap<number, number>): number | undefined {
    const heads = this.size(names, { always: usual.get(features) });
    if (heads !== undefined && features % heads !== 0 && this.config !== undefined)
      throw this.config.misfit(names.find((name) => this.config?.has(name)) ?? '', `a divisor of ${features}`, heads);
    return heads;
  }
}

/** The error for a network that is known and has something that no layer does. */
export function unsupported(what: string): HopfcoleError {
  return new HopfcoleError(
    'UNRECOGNISED_NETWORK',
    `the network has ${what}, which no layer here computes`,
    {},
    howElse,
  );
}

/** What to do with a network that is not recognised. */
export const howElse =
  "Save the whole program in PyTorch, torch.export.save(torch.export.export(model.eval(), inputs), 'm.pt2'), and import that; or describe the network with --spec (hopfcole build --schema prints what it may hold)";
