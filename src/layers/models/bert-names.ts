import type { Module } from '../module.ts';

export const bertLayouts = ['bert', 'roberta', 'distilbert'] as const;
export type BertLayout = (typeof bertLayouts)[number];

/** Where a layout keeps the parameters of its body. */
export interface BertNames {
  /** What stands before the body's names where it has a head on it. */
  readonly prefixes: readonly string[];
  readonly block: (index: number) => string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly attended: string;
  readonly attendedNorm: string;
  readonly wide: string;
  readonly narrow: string;
  readonly norm: string;
}

const bert: BertNames = {
  prefixes: ['bert', 'roberta'],
  block: (index) => `encoder.layer.${index}`,
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  attended: 'attention.output.dense',
  attendedNorm: 'attention.output.LayerNorm',
  wide: 'intermediate.dense',
  narrow: 'output.dense',
  norm: 'output.LayerNorm',
};

export const bertNames: Readonly<Record<BertLayout, BertNames>> = {
  bert,
  roberta: { ...bert, prefixes: ['roberta', 'bert'] },
  distilbert: {
    prefixes: ['distilbert'],
    block: (index) => `transformer.layer.${index}`,
    query: 'attention.q_lin',
    key: 'attention.k_lin',
    value: 'attention.v_lin',
    attended: 'attention.out_lin',
    attendedNorm: 'sa_layer_norm',
    wide: 'ffn.lin1',
    narrow: 'ffn.lin2',
    norm: 'output_layer_norm',
  },
};

/** Whose names a checkpoint has; those of BERT for a fresh network. */
export function storedLayout(module: Module): BertLayout {
  const has = (name: string) => module.has(name) === true;
  const first = 'transformer.layer.0.attention.q_lin.weight';
  if (has(first) || has(`distilbert.${first}`)) return 'distilbert';
  const isRoberta = ['roberta.embeddings.word_embeddings.weight', 'lm_head.dense.weight', 'classifier.dense.weight'];
  return isRoberta.some(has) ? 'roberta' : 'bert';
}
