/** Layers that say which Hamilton-Jacobi equation they discretise: functions on a module and Values (`hopfcole/layers`). */

// Convolutions, pools, residual networks.
export {
  type AdaptiveSizes,
  adaptiveAveragePool,
  adaptiveMaxPool,
  type GlobalPoolOptions,
  globalAveragePool,
  globalMaxPool,
} from './adaptive-pooling.ts';
// Attention, masks and positions.
export {
  type Attended,
  type AttendOptions,
  type AttentionCache,
  type AttentionOutput,
  attend,
  type HeadEpsilon,
  type MultiHeadAttentionOptions,
  multiHeadAttention,
  type ProjectionLayout,
  type ProjectionNames,
  type ProjectionOptions,
} from './attention.ts';
export * from './batch-norm.ts';
export { type ConvolutionOptions, conv1d, conv2d, conv3d, type PaddingMode } from './convolution.ts';
// Norms, embeddings, dropout, residual steps.
export { type DropoutOptions, dropout } from './dropout.ts';
export { type EmbeddingOptions, embedding } from './embedding.ts';
// Whole transformers, and the feed-forward blocks they are made of.
export {
  type FeedForwardOptions,
  feedForward,
  type GatedFeedForwardOptions,
  gatedFeedForward,
  type LseFeedForwardOptions,
  lseFeedForward,
} from './feed-forward.ts';
export { type FlattenOptions, flatten } from './flatten.ts';
// Linear and log-sum-exp layers, units, networks of these alone.
export {
  decodeAtoms,
  encodeAtoms,
  type HopfColeLayerOptions,
  type HopfColeValues,
  hopfColeLayer,
} from './hopf-cole.ts';
export { type HopfieldOptions, hopfield, type Retrieved } from './hopfield.ts';
export * from './initial.ts';
export { type LeapfrogOptions, leapfrog, type Phase } from './leapfrog.ts';
export { type LinearOptions, linear } from './linear.ts';
export { type AtomOptions, type LseHeadOptions, type LseOptions, lse, lseHead, softmax, tropical } from './lse.ts';
export { type CausalOptions, causalMask } from './masks.ts';
export { type BertOptions, type BertValues, bert } from './models/bert.ts';
export type { BertHead } from './models/bert-heads.ts';
export type { BertLayout } from './models/bert-names.ts';
export { type ConvexOptions, convexNetwork } from './models/convex.ts';
export {
  type CacheSizes,
  type CacheValue,
  cacheInputs,
  cacheOutputs,
  type DecoderOptions,
  type DecoderValues,
} from './models/decoder.ts';
export { type Gpt2Options, gpt2, gpt2Sizes } from './models/decoder-gpt.ts';
export { type LlamaOptions, llama, llamaSizes } from './models/decoder-llama.ts';
export { type EmbeddedOptions, embedded } from './models/embedded.ts';
export {
  encoderLayer,
  type TransformerEncoderOptions,
  type TransformerOptions,
  transformerEncoder,
} from './models/encoder.ts';
// State-space models.
export { type MambaOptions, type MambaValues, mamba } from './models/mamba.ts';
export { type LseNetworkOptions, lseNetwork, type MlpOptions, mlp } from './models/mlp.ts';
export { meanPool } from './models/pool.ts';
export {
  type ResnetBlock,
  type ResnetOptions,
  type ResnetStem,
  type ResnetValues,
  resnet,
} from './models/resnet.ts';
export {
  decoderLayer,
  type TransformerDecoderOptions,
  type TransformerModelOptions,
  type TransformerValues,
  transformer,
  transformerDecoder,
} from './models/seq2seq.ts';
export { type S4ClassifierOptions, s4Classifier } from './models/ssm-classifier.ts';
export { lstmTagger, type TaggerNames, type TaggerOptions } from './models/tagger.ts';
export { type VitLayout, type VitOptions, type VitValues, vit } from './models/vit.ts';
// Where parameters come from.
export { type Epsilon, type Finished, fresh, fromCheckpoint, Module, type ModuleOptions } from './module.ts';
export { type Network, network } from './network.ts';
export * from './norm.ts';
export {
  type AveragePoolOptions,
  averagePool,
  type LsePoolOptions,
  lsePool,
  type MaxPoolOptions,
  maxPool,
} from './pooling.ts';
export {
  type AlibiOptions,
  alibiSlopes,
  type LearnedPositionOptions,
  learnedPositions,
  type PositionOptions,
  type RopeOptions,
  type RopeScaling,
  type SinusoidOptions,
  sinusoidalPositions,
} from './positions.ts';
// What a layer is.
export {
  type Architecture,
  architectures,
  type Reading,
  type ReadingDetails,
  type ReadingKind,
  readingOf,
  type Status,
} from './reading.ts';
// Recurrences.
export { type CellOptions, gruCell, lstmCell, rnnCell } from './recurrent/cells.ts';
export type {
  LstmOptions,
  LstmValues,
  Nonlinearity,
  RecurrentForm,
  RecurrentOptions,
  RecurrentValues,
  RnnOptions,
} from './recurrent/options.ts';
export { gru, lstm, rnn } from './recurrent/recurrent.ts';
export { type Branch, type Method, methods, type ResidualOptions, residual } from './residual.ts';
export { type HmmOptions, type HmmValues, hmm, type SemiringOptions, type ViterbiValues, viterbi } from './semiring.ts';
export type { Complex } from './ssm/complex.ts';
export {
  type LinearRecurrenceOptions,
  type LinearRecurrenceValues,
  linearRecurrence,
} from './ssm/linear-recurrence.ts';
export { type S4dOptions, type S4dValues, type SsmForm, s4d, ssmForms } from './ssm/s4d.ts';
export type { SelectiveForm } from './ssm/selective.ts';
export {
  mambaMixer,
  type SelectiveScanOptions,
  type SelectiveScanValues,
  type SelectiveSizes,
  type SelectiveState,
} from './ssm/selective-scan.ts';
export {
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  type TransposedConvolutionOptions,
} from './transposed-convolution.ts';
export { type Activation, type ActivationOptions, activation, activations, relu, softplus } from './units.ts';
export { type UpsampleMode, type UpsampleOptions, upsample } from './upsample.ts';
export type { Sizes } from './windows.ts';
