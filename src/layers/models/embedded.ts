import { scalar } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { embedding } from '../embedding.ts';
import { layer, type Module } from '../module.ts';
import { learnedPositions, sinusoidalPositions } from '../positions.ts';
import { expectLength } from './parts.ts';

export const positionForms = ['learned', 'sinusoidal', 'none'] as const;

export interface EmbeddedOptions {
  /** Sizes may be left out where a checkpoint gives them. */
  readonly vocabulary?: number | undefined;
  readonly hidden?: number | undefined;
  /** The longest sequence, where positions are learned. */
  readonly positions?: number | undefined;
  /** Default: learned where the checkpoint has a table of positions, sinusoidal where it has none. */
  readonly positionForm?: (typeof positionForms)[number] | undefined;
  /** The rows of the table are multiplied by sqrt(hidden), as in the first transformers. Default false. */
  readonly scaled?: boolean | undefined;
  /** Name of the embedding; default `embedding`. */
  readonly embedding?: string | undefined;
  /** Name of the table of positions; default `position`. */
  readonly position?: string | undefined;
}

/** Whether a value holds tokens, which need an embedding, and no features. */
export function areTokens({ dtype }: Value): boolean {
  return dtype === 'int64' || dtype === 'int32';
}

/** Tokens [batch, time] of int64 -> their rows of a table, with their positions added: [batch, time, hidden]. */
export function embedded(module: Module, tokens: Value, options: EmbeddedOptions = {}): Value {
  return layer(embedded, module, 'embedding', () => {
    const { embedding: name = 'embedding', position = 'position', scaled = false } = options;
    expectLength(module, tokens, undefined);
    const rows = embedding(module.at(name), tokens, {
      entries: options.vocabulary,
      features: options.hidden,
      called: ['vocabulary', 'hidden'],
    });
    const features = module.features(rows, options.hidden, 'hidden');
    const table = module.at(position);
    const form = options.positionForm ?? (table.has('weight') === false ? 'sinusoidal' : 'learned');
    const scale = scaled ? Math.sqrt(features) : 1;
    if (form === 'sinusoidal') return sinusoidalPositions(table, rows, { scale });
    const own = scale === 1 ? rows : op.mul(rows, scalar(scale, module.dtype));
    return form === 'none' ? own : learnedPositions(table, own, { length: options.positions });
  });
}
