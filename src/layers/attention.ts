/** Attention: of projected values (`attend`), and with its projections (`multiHeadAttention`). */
export {
  type Attended,
  type AttendOptions,
  type AttentionCache,
  type AttentionOutput,
  attend,
} from './attention/attend.ts';
export type { HeadEpsilon } from './attention/epsilon.ts';
export type { ProjectionLayout, ProjectionNames, ProjectionOptions } from './attention/layout.ts';
export { type MultiHeadAttentionOptions, multiHeadAttention } from './attention/multi-head.ts';
