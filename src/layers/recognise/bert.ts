import { type Facts, unsupported } from './facts.ts';
import { type Family, said, tokens } from './family.ts';
import type { Names } from './names.ts';

/** Heads of published networks of these widths; 384 is left out: MiniLM divides it among 12, others among 6. */
const usualHeads = new Map([
  [128, 2],
  [256, 4],
  [512, 8],
  [768, 12],
  [1024, 16],
]);

const words = 'embeddings.word_embeddings.weight';

/** `bert`, where it tells whose padding and norms it has: the same names serve several. */
type Kin = 'bert' | 'roberta' | 'distilbert';

/** What Hugging Face's configuration calls the networks that have these names and this mathematics. */
const kinOf: ReadonlyMap<string, Kin> = new Map([
  ['bert', 'bert'],
  ['roberta', 'roberta'],
  ['camembert', 'roberta'],
  ['xlm-roberta', 'roberta'],
  ['distilbert', 'distilbert'],
]);

const titles: Readonly<Record<Kin, string>> = { bert: 'BERT', roberta: 'RoBERTa', distilbert: 'DistilBERT' };

/** BERT, RoBERTa (CamemBERT, XLM-RoBERTa) and DistilBERT, with or without a head. */
export const bertFamily: Family = {
  family: 'bert',
  tell(names, facts) {
    const prefix = names.prefixOf(words, ['', 'bert.', 'roberta.', 'distilbert.']);
    if (prefix === undefined) return undefined;
    const isDistilled = names.has(`${prefix}transformer.layer.0.attention.q_lin.weight`);
    if (!isDistilled && !names.has(`${prefix}encoder.layer.0.attention.self.query.weight`)) return undefined;
    const kin = kinTold(names, facts, prefix, isDistilled);
    const head = headTold(names, facts, prefix, kin);
    const body = bodyFields(names, facts, prefix, kin);
    return {
      network: head.title === '' ? titles[kin] : `${titles[kin]} for ${head.title}`,
      spec: {
        name: kin,
        inputs: [tokens],
        output: head.output,
        ...(Object.keys(head.outputs).length === 0 ? {} : { outputs: head.outputs }),
        ...legacyNorms(names),
        layers: [{ kind: 'bert', ...body, head: head.head }],
      },
    };
  },
};

/** Whose network it is: by the configuration, or by what is stored. @throws UNRECOGNISED_NETWORK for kin that compute otherwise. */
function kinTold(names: Names, { config }: Facts, prefix: string, isDistilled: boolean): Kin {
  const type = config?.text('model_type');
  const told = type === undefined ? undefined : kinOf.get(type);
  // A configuration of something else altogether stands beside the file by chance.
  if (type !== undefined && told === undefined && config?.has('hidden_size', 'dim') === true)
    throw unsupported(`the type '${type}'`);
  const position = config?.text('position_embedding_type') ?? 'absolute';
  if (position !== 'absolute') throw unsupported(`positions of the type '${position}'`);
  if (config?.flag('is_decoder') === true) throw unsupported('is_decoder: BERT that reads only what stands before');
  if (isDistilled) return 'distilbert';
  if (told !== undefined) return told;
  const isRoberta = prefix === 'roberta.' || names.has('lm_head.dense.weight') || names.has('classifier.dense.weight');
  // RoBERTa has two positions more than a power of two, and one type of token.
  const positions = names.size(`${prefix}embeddings.position_embeddings.weight`, 0) ?? 0;
  const types = names.size(`${prefix}embeddings.token_type_embeddings.weight`, 0);
  return isRoberta || (types === 1 && positions % 2 === 0 && Number.isInteger(Math.log2(positions - 2)))
    ? 'roberta'
    : 'bert';
}

function bodyFields(names: Names, facts: Facts, prefix: string, kin: Kin): Record<string, unknown> {
  const features = names.size(prefix + words, 1) ?? 1;
  const isDistilled = kin === 'distilbert';
  const types = names.size(`${prefix}embeddings.token_type_embeddings.weight`, 0) ?? 0;
  const layerNorm = kin === 'roberta' ? { always: 1e-5 } : { always: 1e-12 };
  return said({
    layout: kin,
    heads: facts.heads(['num_attention_heads', 'n_heads'], features, usualHeads),
    // DistilBERT's configuration has no number for it.
    eps: isDistilled ? 1e-12 : facts.number(['layer_norm_eps'], layerNorm),
    activation: facts.activation(['hidden_act', 'activation'], { always: 'gelu' }),
    paddingToken: kin === 'roberta' ? paddingToken(facts) : undefined,
    mask: 'attention_mask',
    tokenTypes: types > 1 ? 'token_type_ids' : undefined,
  });
}

/** pad_token_id, 1 in every RoBERTa that was published. */
function paddingToken(facts: Facts): number | undefined {
  return facts.number(['pad_token_id'], { always: 1 });
}

interface Head {
  readonly head: string;
  readonly title: string;
  readonly output: string;
  readonly outputs: Readonly<Record<string, string>>;
}

/** What stands on the body: told by names, and by the configuration where two heads have the same. */
function headTold(names: Names, { config }: Facts, prefix: string, kin: Kin): Head {
  const of = (head: string, title: string, output = 'logits', outputs = {}): Head => ({ head, title, output, outputs });
  const transforms = ['cls.predictions.transform.dense', 'lm_head.dense', 'vocab_transform'];
  if (transforms.some((name) => names.has(`${name}.weight`))) return of('masked-lm', 'masked words');
  if (names.has('qa_outputs.weight'))
    return of('question-answering', 'question answering', 'start_logits', { end_logits: 'end' });
  if (names.has('classifier.dense.weight') || names.has('pre_classifier.weight'))
    return of('sequence', 'classes of sequences');
  const hasPooler = names.has(`${prefix}pooler.dense.weight`);
  if (names.has('classifier.weight')) {
    const built = config?.texts('architectures')[0] ?? '';
    if (built.endsWith('ForMultipleChoice')) throw unsupported('a head for multiple choice');
    // Old checkpoints keep a pooler that the head for tokens does not read.
    const ofTokens = kin !== 'bert' || !hasPooler || built.endsWith('ForTokenClassification');
    return ofTokens ? of('token', 'classes of tokens') : of('sequence', 'classes of sequences');
  }
  return of('none', '', 'last_hidden_state', hasPooler ? { pooler_output: 'pooled' } : {});
}

/** The oldest checkpoints call weight and bias of a norm gamma and beta. */
function legacyNorms(names: Names): { readonly names?: Record<string, string> } {
  const renamed: Record<string, string> = {};
  for (const name of names.all.keys())
    if (/\bLayerNorm\.(gamma|beta)$/.test(name))
      renamed[name.replace(/gamma$/, 'weight').replace(/beta$/, 'bias')] = name;
  return Object.keys(renamed).length === 0 ? {} : { names: renamed };
}
