import { html, type Markup } from './markup.ts';

/** Values on a grid, row after row from the top left. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly values: ArrayLike<number>;
  /** The values shown as the two ends of the scale; default: the least and the greatest. */
  readonly range?: readonly [number, number] | undefined;
}

/** A greyscale image as crisp SVG pixels, dark ink on paper: the least value is white. A value that is not finite is magenta. */
export function greyImage(picture: Picture, alt: string): Markup {
  return framed(picture, alt, greyPixels(picture));
}

/** The pixels of a greyscale image alone, one unit each, to stand inside another drawing. */
export function greyPixels(picture: Picture): Markup {
  const [low, high] = picture.range ?? extent(picture.values);
  const span = high > low ? high - low : 1;
  const levels = 32;
  return pixels(picture, (value) => {
    const share = Math.round(Math.min(1, Math.max(0, (value - low) / span)) * levels) / levels;
    const level = Math.round(252 - share * 228);
    return hex([level, level, Math.min(255, level + 2)]);
  });
}

/** A picture of at most `side` cells a side: each is the mean of a block of the finite values it covers. */
export function pooled(picture: Picture, side: number): Picture {
  const { width, height, values } = picture;
  const step = Math.max(1, Math.ceil(Math.max(width, height) / side));
  if (step === 1) return picture;
  const [across, down] = [Math.ceil(width / step), Math.ceil(height / step)];
  const [sums, counts] = [new Float64Array(across * down), new Float64Array(across * down)];
  for (let at = 0; at < width * height; at += 1) {
    const value = values[at] ?? Number.NaN;
    if (!Number.isFinite(value)) continue;
    const cell = Math.floor(at / width / step) * across + Math.floor((at % width) / step);
    sums[cell] = (sums[cell] ?? 0) + value;
    counts[cell] = (counts[cell] ?? 0) + 1;
  }
  return { ...picture, width: across, height: down, values: sums.map((sum, at) => sum / (counts[at] ?? 0)) };
}

/** The colour of -1 (blue) .. 0 (white) .. 1 (orange): ends that people with any colour vision tell apart. */
export function divergingColour(share: number): string {
  const end = share < 0 ? [16, 82, 153] : [190, 84, 5];
  const middle = share < 0 ? [133, 181, 219] : [247, 178, 103];
  const neutral = [247, 247, 247];
  const size = Math.min(1, Math.abs(share));
  const [from, to, at] = size < 0.5 ? [neutral, middle, size * 2] : [middle, end, size * 2 - 1];
  return hex(from.map((value, i) => Math.round(value + ((to[i] ?? value) - value) * at)));
}

/** A signed map: blue below zero, white at zero, orange above; symmetric about zero. */
export function heatMap(picture: Picture, alt: string): Markup {
  const bound = largest(picture);
  return framed(
    picture,
    alt,
    pixels(picture, (value) => divergingColour(Math.round((value / bound) * 40) / 40)),
  );
}

/** The largest size of a finite value (1 where all are 0): the end of a heat map's scale. */
export function largest(picture: Picture): number {
  const [low, high] = picture.range ?? extent(picture.values);
  return Math.max(Math.abs(low), Math.abs(high)) || 1;
}

function extent(values: ArrayLike<number>): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? Number.NaN;
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 0];
}

/** One path per colour, with runs of equal neighbours merged, so that a page of hundreds of pictures stays small. */
function pixels(picture: Picture, colour: (value: number) => string): Markup {
  const { width, height, values } = picture;
  const paths = new Map<string, string>();
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; ) {
      const fill = colourAt(values[y * width + x], colour);
      let run = 1;
      while (x + run < width && colourAt(values[y * width + x + run], colour) === fill) run += 1;
      paths.set(fill, `${paths.get(fill) ?? ''}M${x} ${y}h${run}v1h-${run}z`);
      x += run;
    }
  }
  return html`${[...paths].map(([fill, d]) => html`<path fill="${fill}" d="${d}"/>`)}`;
}

function framed(picture: Picture, alt: string, drawn: Markup): Markup {
  return html`<svg class="picture" viewBox="0 0 ${picture.width} ${picture.height}" role="img" aria-label="${alt}" shape-rendering="crispEdges">${drawn}</svg>`;
}

const missing = '#d33cb8';

function colourAt(value: number | undefined, colour: (value: number) => string): string {
  return value === undefined || !Number.isFinite(value) ? missing : colour(value);
}

function hex(channels: readonly number[]): string {
  return `#${channels.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

/** The key of a heat map: a bar from -bound to bound. */
export function heatKey(bound: string): Markup {
  const steps = Array.from({ length: 41 }, (_, i) => (i - 20) / 20);
  const cells = steps.map(
    (at, i) => html`<rect x="${i}" y="0" width="1.05" height="3" fill="${divergingColour(at)}"/>`,
  );
  return html`<div class="heat-key"><span>−${bound}</span><svg viewBox="0 0 41 3" preserveAspectRatio="none" aria-hidden="true">${cells}</svg><span>+${bound}</span></div>`;
}
