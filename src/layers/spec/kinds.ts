import * as z from 'zod';
import { attentionKinds } from './attention.ts';
import { convolutionKinds } from './convolution.ts';
import { coreKinds } from './core.ts';
import { decoderKinds } from './decoders.ts';
import { feedForwardKinds } from './feed-forward.ts';
import type { LayerKind, LayerSpec } from './kind.ts';
import { partKinds } from './parts.ts';
import { recurrentKinds } from './recurrent.ts';
import { semiringKinds } from './semiring.ts';
import { ssmKinds } from './ssm.ts';
import { transformerKinds } from './transformers.ts';

/** Layers inside a layer: given to families whose layers nest. */
export const nestedLayers: z.ZodType<LayerSpec[]> = z.lazy(() => z.array(layerSchema).min(1));

/** Every kind of layer that a specification may hold. */
const all: readonly LayerKind[] = [
  ...coreKinds,
  ...attentionKinds,
  ...partKinds(nestedLayers),
  ...convolutionKinds,
  ...feedForwardKinds,
  ...decoderKinds,
  ...recurrentKinds,
  ...semiringKinds,
  ...ssmKinds,
  ...transformerKinds,
];

export const layerKinds: ReadonlyMap<string, LayerKind> = new Map(all.map((own) => [own.kind, own]));

const [first, ...rest] = all.map(({ schema }) => schema);
if (first === undefined) throw new Error('there are no kinds of layers');

/** One layer of a specification. */
const layerSchema = z.discriminatedUnion('kind', [first, ...rest] as never) as unknown as z.ZodType<LayerSpec>;
