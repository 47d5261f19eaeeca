/** Attention: of projected values (`attend`), and with its projections (`multiHeadAttention`). */
export {
  type Attended,
  type AttendOptions,
  type AttentionCache,
  type AttentionOutput,
  attend,
} from './attention/attend.ts';
