import { HopfcoleError } from '../../files/error.ts';
import type { Json } from '../../files/json.ts';
import { parseSpec, type Spec } from '../spec/spec.ts';
import { bertFamily } from './bert.ts';
import { Config } from './config.ts';
import { gpt2Family, llamaFamily, mambaFamily } from './decoders.ts';
import { type Assumed, Facts, howElse } from './facts.ts';
import type { Family } from './family.ts';
import { linearFamily } from './linear.ts';
import { type Shaped, wrappings } from './names.ts';
import { recurrentFamily } from './recurrent.ts';
import { resnetFamily } from './resnet.ts';
import { asSentences, type ConfiguredModule } from './sentence.ts';
import { transformerFamily } from './transformer.ts';
import { vitFamily } from './vit.ts';

/** What lies beside a checkpoint: parsed JSON, by what it is. */
export interface Beside {
  /** config.json, and its name for errors. */
  readonly config?: { readonly document: Json; readonly file: string } | undefined;
  /** The modules of a sentence-transformers folder. */
  readonly modules?: readonly ConfiguredModule[] | undefined;
}

/** What network a checkpoint is taken for. */
export interface Recognised {
  /** `ResNet-18`, `BERT for masked words`. */
  readonly network: string;
  /** `resnet`, `bert`: a row of docs/recognised.md. */
  readonly family: string;
  /** What neither shapes nor the configuration tell, and what it was taken for. */
  readonly assumed: readonly Assumed[];
  /** What nothing tells and nothing may be assumed of, by the names that config.json has for it. */
  readonly needed: readonly string[];
  /** The specification as --spec takes it; where something is needed, a sketch of it. */
  readonly spec: Readonly<Record<string, unknown>>;
}

/** More telling names first: what ends in a plain Linear is also many other things. */
const families: readonly Family[] = [
  bertFamily,
  gpt2Family,
  llamaFamily,
  mambaFamily,
  vitFamily,
  resnetFamily,
  transformerFamily,
  recurrentFamily,
  linearFamily,
];

/**
 * What network these weights belong to, by names, shapes and the configuration beside them; undefined where it is none that is known.
 * @throws UNRECOGNISED_NETWORK for a known one with something that no layer does, BAD_CONFIG.
 */
export function recognise(tensors: ReadonlyMap<string, Shaped>, beside: Beside = {}): Recognised | undefined {
  const { config: given } = beside;
  const config = given === undefined ? undefined : new Config(given.document, given.file);
  for (const names of wrappings(tensors))
    for (const { family, tell } of families) {
      const facts = new Facts(config);
      const found = tell(names, facts);
      if (found === undefined) continue;
      const told = beside.modules === undefined ? found : asSentences(found, beside.modules);
      const kept = told.spec.names === undefined ? {} : { keepNames: true };
      const { assumed, needed } = facts;
      const spec = { ...told.spec, ...kept, ...(names.dtype === 'float64' ? doubled(told.spec) : {}) };
      return { network: told.network, family, assumed, needed: [...new Set(needed)], spec };
    }
  return undefined;
}

/** Inputs and outputs in float64, for a checkpoint that is. */
function doubled({ inputs }: Recognised['spec']): Recognised['spec'] {
  const dtype = 'float64';
  return { inputs: (inputs as readonly object[]).map((own) => ({ dtype, ...own })), dtype };
}

/**
 * The specification of what was recognised. @throws UNRECOGNISED_NETWORK where it is nothing, CONFIG_NEEDED where numbers are missing, each
 * with what to do.
 */
export function specOf(recognised: Recognised | undefined, file: string): Spec {
  if (recognised === undefined)
    throw new HopfcoleError(
      'UNRECOGNISED_NETWORK',
      'the file holds weights of no network that is known by its names',
      { file },
      howElse,
    );
  const { network, needed, spec } = recognised;
  if (needed.length > 0)
    throw new HopfcoleError(
      'CONFIG_NEEDED',
      `${network}: its shapes do not tell ${needed.join(', ')}`,
      { file },
      `Put the config.json that says so beside the file, or name one with --config FILE ({${needed.map((name) => `"${name}": ...`).join(', ')}} is enough); or say it in a --spec that begins with ${JSON.stringify(spec)}`,
    );
  try {
    return parseSpec(spec, file);
  } catch (error) {
    throw misfit(error, recognised);
  }
}

/** What does not fit the network that a checkpoint was taken for, as the error of that network and not of a specification. */
export function misfit(error: unknown, { network }: Recognised): unknown {
  if (!(error instanceof HopfcoleError) || !misfits.includes(error.code)) return error;
  const why = error.message.replace('the checkpoint does not fit the specification: ', '');
  return new HopfcoleError(
    'UNRECOGNISED_NETWORK',
    `the names are those of ${network}, but ${why}`,
    error.where,
    howElse,
    {
      cause: error,
    },
  );
}

const misfits: readonly string[] = ['MISSING_PARAMETERS', 'SHAPE_MISMATCH', 'BAD_SPEC'];
