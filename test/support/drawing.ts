/** A small picture in one plain style: no background and mid-tone colours, so that it reads on light and on dark paper. */
export interface Picture {
  readonly alt: string;
  readonly x: readonly [from: number, to: number];
  readonly y: readonly [from: number, to: number];
  readonly xLabel: string;
  readonly yLabel?: string;
  readonly curves?: readonly Curve[];
  readonly dots?: readonly Dots[];
  readonly cells?: Cells;
}

export interface Curve {
  readonly label?: string;
  readonly color: number;
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Dots {
  readonly label?: string;
  readonly color: number;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Squares of the unit grid, from the top left, filled by weight. */
export interface Cells {
  readonly color: number;
  readonly weights: readonly (readonly number[])[];
}

const colors = ['#3f83c8', '#d2762a', '#35966e', '#a4609c', '#8a8f98'];
const grey = '#8a8f98';
const size = { width: 360, height: 200, left: 34, right: 104, top: 12, bottom: 30 };

/** Points of a function, the last at `to`. */
export function sampled(from: number, to: number, f: (x: number) => number, count = 120): [number, number][] {
  return Array.from({ length: count + 1 }, (_, i) => {
    const x = from + ((to - from) * i) / count;
    return [x, f(x)];
  });
}

export function drawn(picture: Picture): string {
  const { x, y, curves = [], dots = [], cells } = picture;
  const right = size.width - size.right;
  const bottom = size.height - size.bottom;
  const at = (value: number, [from, to]: readonly [number, number], low: number, high: number) =>
    round(low + ((value - from) / (to - from)) * (high - low));
  const px = (value: number) => at(value, x, size.left, right);
  const py = (value: number) => at(value, y, bottom, size.top);
  const lines = curves.map(({ points, color, dashed }) => {
    const inside = points.filter(([, value]) => value >= y[0] && value <= y[1]);
    const path = inside.map(([a, b], i) => `${i === 0 ? 'M' : 'L'}${px(a)} ${py(b)}`).join('');
    const dash = dashed === true ? ' stroke-dasharray="4 3"' : '';
    return `<path d="${path}" fill="none" stroke="${colors[color]}" stroke-width="2"${dash}/>`;
  });
  const marks = dots.flatMap(({ points, color }) =>
    points.map(([a, b]) => `<circle cx="${px(a)}" cy="${py(b)}" r="3" fill="${colors[color]}"/>`),
  );
  const squares = cells === undefined ? [] : squaresOf(cells, right, bottom);
  const legend = [...curves, ...dots].filter(({ label }) => label !== undefined);
  const names = legend.flatMap((entry, i) => {
    const top = size.top + 8 + 16 * i;
    const key =
      'dashed' in entry || curves.includes(entry as Curve)
        ? `<path d="M${right + 8} ${top - 4}h14" stroke="${colors[entry.color]}" stroke-width="2"${(entry as Curve).dashed === true ? ' stroke-dasharray="4 3"' : ''}/>`
        : `<circle cx="${right + 15}" cy="${top - 4}" r="3" fill="${colors[entry.color]}"/>`;
    return [key, `<text x="${right + 27}" y="${top}">${escaped(entry.label ?? '')}</text>`];
  });
  const axes =
    cells === undefined
      ? [
          `<path d="M${size.left} ${size.top}V${bottom}H${right}" fill="none" stroke="${grey}" stroke-width="1"/>`,
          ...[x[0], x[1]].map((value) => text(px(value), bottom + 13, number(value), 'middle')),
          ...[y[0], y[1]].map((value) => text(size.left - 5, py(value) + 4, number(value), 'end')),
        ]
      : [];
  const labels = [
    text((size.left + right) / 2, size.height - 4, picture.xLabel, 'middle'),
    ...(picture.yLabel === undefined
      ? []
      : [
          `<text x="${-(size.top + bottom) / 2}" y="12" transform="rotate(-90)" text-anchor="middle">${escaped(picture.yLabel)}</text>`,
        ]),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" role="img" font-family="system-ui, sans-serif" font-size="11" fill="${grey}">
<title>${escaped(picture.alt)}</title>
${[...axes, ...squares, ...lines, ...marks, ...names, ...labels].join('\n')}
</svg>
`;
}

function squaresOf({ weights, color }: Cells, right: number, bottom: number): string[] {
  const side = Math.min((right - size.left) / (weights[0]?.length ?? 1), (bottom - size.top) / weights.length);
  return weights.flatMap((row, i) =>
    row.map((weight, j) => {
      const [left, top] = [round(size.left + j * side), round(size.top + i * side)];
      const shown = `fill="${colors[color]}" fill-opacity="${round(weight)}" stroke="${grey}" stroke-opacity="0.4"`;
      return `<rect x="${left}" y="${top}" width="${round(side)}" height="${round(side)}" ${shown}/>`;
    }),
  );
}

function text(x: number, y: number, content: string, anchor: string): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function number(value: number): string {
  return String(round(value));
}

/** Two digits: what another machine's last bits cannot change. */
function round(value: number): number {
  const rounded = Math.round(value * 100) / 100;
  return rounded === 0 ? 0 : rounded;
}
