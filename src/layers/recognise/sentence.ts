import { HopfcoleError } from '../../files/error.ts';
import type { Json } from '../../files/json.ts';
import { Config } from './config.ts';
import { unsupported } from './facts.ts';
import { said, type Told } from './family.ts';

/** One line of the modules.json of a sentence-transformers folder. */
export interface SentenceModule {
  /** `Transformer`, `Pooling`, `Normalize`: the last part of its type. */
  readonly type: string;
  /** Its folder, relative to that of modules.json; '' is that itself. */
  readonly path: string;
}

/** A module with its own config.json, where it has one. */
export interface ConfiguredModule extends SentenceModule {
  readonly config?: Json | undefined;
}

/** The modules that a modules.json lists; undefined where it is that of something else. @throws BAD_CONFIG where it is broken. */
export function sentenceModules(document: Json, file: string): readonly SentenceModule[] | undefined {
  if (!Array.isArray(document)) return undefined;
  const list = document.slice(0, most + 1) as readonly Json[];
  const entries = list.map((entry) =>
    entry instanceof Map ? { type: entry.get('type'), path: entry.get('path') } : { type: undefined, path: undefined },
  );
  if (!entries.some(({ type }) => typeof type === 'string' && type.startsWith('sentence_transformers.')))
    return undefined;
  return entries.map(({ type, path }, index) => {
    if (index < most && typeof type === 'string' && typeof path === 'string')
      return { type: type.slice(type.lastIndexOf('.') + 1), path };
    throw new HopfcoleError(
      'BAD_CONFIG',
      `expected at most ${most} modules, each with a type and a path`,
      { file, at: `[${index}]` },
      'Take the folder as sentence-transformers saved it',
    );
  });
}

/** A folder of more modules than this is none of sentence-transformers. */
const most = 32;

/** What its configuration calls the ways to make one vector of tokens, older versions by a flag each. */
const pools: readonly (readonly [flag: string, name: string, pool: string])[] = [
  ['pooling_mode_cls_token', 'cls', 'first'],
  ['pooling_mode_max_tokens', 'max', 'max'],
  ['pooling_mode_mean_tokens', 'mean', 'mean'],
  ['pooling_mode_mean_sqrt_len_tokens', 'mean_sqrt_len_tokens', 'mean-sqrt'],
  ['pooling_mode_weightedmean_tokens', 'weightedmean', 'weighted-mean'],
  ['pooling_mode_lasttoken', 'lasttoken', 'last'],
];

/**
 * A network with the modules of sentence-transformers after it: one vector for each sentence.
 * @throws UNRECOGNISED_NETWORK for modules that no layer is, BAD_CONFIG.
 */
export function asSentences(told: Told, modules: readonly ConfiguredModule[]): Told {
  const [first, ...rest] = modules;
  const [body] = told.spec.layers as readonly Record<string, unknown>[];
  if (first?.type !== 'Transformer' || body?.kind !== 'bert' || body.head !== 'none')
    throw unsupported(`a first module '${first?.type}' of sentence-transformers on ${told.network}`);
  const layers = rest.flatMap(({ type, config }, index) => {
    if (type === 'Pooling') return pooling(config, `${index + 1}`);
    if (type === 'Normalize') return [{ kind: 'normalize', name: `${index + 1}` }];
    if (type === 'Dropout') return [];
    throw unsupported(`the module '${type}' of sentence-transformers`);
  });
  return {
    network: `${told.network} for sentences`,
    spec: {
      ...told.spec,
      output: 'sentence_embedding',
      outputs: { token_embeddings: 'hidden' },
      layers: [body, ...layers],
    },
  };
}

/** The pooling that its config.json says; several are put one after the other. */
function pooling(document: Json | undefined, name: string): Record<string, unknown>[] {
  const config = new Config(document ?? new Map());
  const mode = config.text('pooling_mode');
  const named = mode?.split('+') ?? [];
  const asked = pools.filter(([flag, own]) => (mode === undefined ? config.flag(flag) === true : named.includes(own)));
  if (mode !== undefined && asked.length !== named.length) throw unsupported(`the pooling '${mode}'`);
  // Its own default, where nothing is said.
  const wanted = asked.length === 0 ? ['mean'] : asked.map(([, , pool]) => pool);
  const layerOf = (pool: string, own: string, from?: string) =>
    said({ kind: 'token-pool', name: own, from, pool, mask: 'attention_mask' });
  const [only] = wanted;
  if (wanted.length === 1 && only !== undefined) return [layerOf(only, name)];
  const parts = wanted.map((pool) => layerOf(pool, `${name}.${pool}`, 'hidden'));
  return [...parts, { kind: 'concat', name, from: parts.map((part) => part.name) }];
}
