/**
 * hopfcole without Node (`hopfcole/web`): everything that reads, builds, changes, checks and writes models in memory. It runs in browsers,
 * workers and every JavaScript runtime, under a strict content security policy; `hopfcole` is the same and what needs files or ONNX Runtime.
 */

// What a model is in Hamilton-Jacobi terms, and which atoms decided.
export {
  type AttributionGraph,
  type AttributionRequest,
  type AttributionResult,
  attributionGraph,
  attributionResult,
  epsilonInput,
} from './analysis/attribution.ts';
export type { Check } from './analysis/identities.ts';
export { type Open, verifyModel, verifyReference } from './analysis/verify.ts';
// Checkpoints: named tensors of .pt, .safetensors, sharded and .npz files. Nothing of them is ever executed.
export { asHuggingFace, type HuggingFaceModel } from './checkpoint/gguf/huggingface.ts';
export { type Checkpoint, type CheckpointOptions, openCheckpoint } from './checkpoint/open.ts';
export { type Format, recogniseFormat } from './checkpoint/recognise.ts';
export type { StateOptions } from './checkpoint/state.ts';
export { withTiedNames } from './checkpoint/tied.ts';
export { verifyCheckpoint } from './checkpoint/verify.ts';
// Derivatives of a model as a model: reverse and forward mode, second order, Jacobians.
export { type Costate, type CostateOptions, costate, type Gradient } from './costate/costate.ts';
export { type Jvp, jvp, type Tangent } from './costate/forward.ts';
export { type Jacobian, type JacobianOptions, type JacobianOutput, jacobian } from './costate/jacobian.ts';
export type { LossKind } from './costate/loss.ts';
export type { NotDifferentiable } from './costate/names.ts';
export type { Changed } from './costate/parameters/changed.ts';
export { changedFrom } from './costate/parameters/compare.ts';
export { withCopiesLoaded } from './costate/parameters/loaded.ts';
export type { DerivativeRequest } from './costate/request.ts';
export { hvp, vjp } from './costate/transforms.ts';
// Tensors: an element type, a shape and bytes in memory (Tensor) or in a file (StoredTensor).
export { type DType, dtypes } from './files/dtype.ts';
// Errors: every error is of this class, with a stable code, a place and how to mend it.
export { HopfcoleError, type Where } from './files/error.ts';
// Files of tensors. `readTensors` knows every format; the readers of one format bring no other along.
export { readNpy } from './files/npy.ts';
export { type Change, readNpz, writeNpy, writeNpz } from './files/npz.ts';
export { readSafetensors, type Safetensors, writeSafetensors } from './files/safetensors.ts';
// Where bytes come from and go to.
export { type ByteSink, memorySink } from './files/sink.ts';
export { type ByteRange, type ByteSource, type Folder, memorySource } from './files/source.ts';
export {
  type AnyTensor,
  fromNumbers,
  isStored,
  load,
  makeTensor,
  type StoredTensor,
  stringTensor,
  type Tensor,
  tensorOf,
  toNumbers,
  type View,
  type ViewedDType,
  viewOf,
} from './files/tensor.ts';
export { readTensors, type TensorFormat, tensorFormatOf, tensorFormats, writeTensors } from './files/tensors.ts';
export { openUrl } from './files/url.ts';
// Values, and the graph that outputs reach. `op` holds the operators of ai.onnx at opset 21; hopfcole/opset/N those of others.
export { type Attr, type AttributeReference, attributeReference } from './graph/apply.ts';
export type { Attribute, Attributes } from './graph/attribute.ts';
export type { CostateRule } from './graph/costate.ts';
export { call, defineFunction, type FunctionSpec } from './graph/define.ts';
export type { FunctionDefinition } from './graph/function.ts';
export type { Graph, Model, Output } from './graph/graph.ts';
export { inModule } from './graph/label.ts';
export type { Literal } from './graph/literal.ts';
export { constant, input, parameter } from './graph/make.ts';
export { defaultIr, defaultOpset, type ModelSpec, model } from './graph/model.ts';
export { moduleKey, withModule } from './graph/module-path.ts';
export * as op from './graph/op.ts';
// Passes: a model in, a model out.
export { mergeCasts } from './graph/passes/clean/casts.ts';
export { type Cleaned, type CleanOptions, type CleanStep, cleanModel } from './graph/passes/clean/clean.ts';
export { constantsToInitializers } from './graph/passes/clean/constants.ts';
export { type DuplicateOptions, shareInitializers } from './graph/passes/clean/duplicates.ts';
export { withFixedInputs, withInputShapes } from './graph/passes/clean/inputs.ts';
export { mergeMoves } from './graph/passes/clean/moves.ts';
export { removeNoOps } from './graph/passes/clean/no-ops.ts';
export { dropUnusedOutputs } from './graph/passes/clean/outputs.ts';
export { nameScopes } from './graph/passes/clean/scopes.ts';
export { fixTargets } from './graph/passes/clean/shapes.ts';
export { removeDead } from './graph/passes/dead.ts';
export { type EvaluateModel, foldByRunning } from './graph/passes/fold/evaluate.ts';
export { type FoldOptions, foldConstants } from './graph/passes/fold/fold.ts';
export { type InlineOptions, inlineFunctions } from './graph/passes/inline.ts';
export { lowerOpset } from './graph/passes/opset/lower.ts';
export { raiseOpset } from './graph/passes/opset/raise.ts';
export { type Place, type Replacement, rewriteModel, type Visit } from './graph/passes/rewrite.ts';
export { type ShareOptions, shareCommon } from './graph/passes/share.ts';
export { type Dim, describeType, type Shape, type TensorType, type ValueType } from './graph/type.ts';
// Checks: what is wrong with a model, where, and how to mend it.
export { assertValid, type Problem, validate } from './graph/validate/validate.ts';
export type { KnownDims, Node, Source, Value } from './graph/value.ts';
// Models as messages and back: what hopfcole does not change stays as it was, to the last field.
export { fromProto } from './graph/wire/read.ts';
export { toProto } from './graph/wire/write.ts';

// Networks of Hamilton-Jacobi layers from a specification, fresh or with a checkpoint's weights.
export { buildNetwork, importNetwork, type Network } from './layers/network.ts';
export { type Reading, readingKey, type Status } from './layers/reading.ts';
export { parseSpec, type Spec, specJsonSchema } from './layers/spec/spec.ts';
export { stateDictOf } from './layers/state-dict.ts';
export type { ModelInit, ModelProto } from './onnx/messages.ts';
export { type ReadOptions, readModel } from './onnx/read.ts';
export { encodeModel, writeModel } from './onnx/write.ts';
export { sitesKey, withReading } from './reading/metadata.ts';
export { type Site, type SiteKind, sitesOf } from './reading/sites.ts';
// Reports: self-contained pages of HTML and SVG, made without a document.
export { attributionReport } from './report/attribution.ts';
export type { AttributionData, AttributionRow } from './report/attribution-data.ts';
export { type Bar, barChart } from './report/bars.ts';
export { type Histogram, histogram } from './report/histogram.ts';
export { type LineChart, lineChart } from './report/lines.ts';
export { html, type Markup, type Part } from './report/markup.ts';
export { figure, type Page, page, type Section, table } from './report/page.ts';
// Tokens by a decoder, over any session.
export type { GenerationNames } from './runtime/decoder.ts';
export { type Generated, type GenerationOptions, generate, generateSteps } from './runtime/generation.ts';
// A model that is ready to run; `openSession` of hopfcole opens one in Node.
export type { NodePlacement, ProviderChoice, ProviderReport } from './runtime/provider.ts';
export type { SamplingOptions } from './runtime/sampling.ts';
export type { Feeds, RunOptions, RunResult, Session, TensorDescription } from './runtime/session.ts';
// Programs of PyTorch (torch.export, .pt2) as graphs. Nothing of an archive is run.
export { type DescribedProgram, describeProgram } from './torch/describe.ts';
// Files of other exporters: cleaned, parameters under the names of the state dict.
export { restoreByWeights } from './torch/onnx/by-weights.ts';
export { type CleanedExport, cleanExport, type ExportOptions } from './torch/onnx/clean.ts';
export { type Restored, restoreParameters } from './torch/onnx/restore.ts';
export { type ImportedProgram, type ImportOptions, importProgram } from './torch/program.ts';
