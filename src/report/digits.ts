import { barChart, meter } from './bars.ts';
import { confusionMatrix } from './confusion.ts';
import type { DigitsCase, DigitsData, SweepPoint } from './digits-data.ts';
import { decisionFlow } from './flow.ts';
import { histogram } from './histogram.ts';
import { lineChart } from './lines.ts';
import { html, type Markup } from './markup.ts';
import { number, percent, tick } from './number.ts';
import { facts, figure, keyFigures, math, page, type Section, table } from './page.ts';
import { greyImage, heatKey, heatMap, largest } from './picture.ts';

/** The demo's page: what the network decides, which training images decided it, and how well it agrees with PyTorch. */
export function digitsReport(data: DigitsData): string {
  const [first] = data.cases;
  return page({
    title: data.title ?? 'Which training images decided?',
    eyebrow: 'hopfcole · a network read as a Hamilton–Jacobi equation',
    lead: html`A network trained in PyTorch on ${data.network.trainingImages} handwritten digits, carried to ONNX and run without Python. It has one unit for each of ${data.network.classes} digits, with ${data.network.atoms} atoms each. Every atom began as a training image, so each answer can be traced to the images it came from.`,
    head: html`${keyFigures(summary(data))}${first === undefined ? null : decisionFlow(first)}`,
    sections: [reading(data), ...data.cases.map((item, at) => caseSection(item, at)), overall(data), agreement(data)],
    footer: html`${data.provenance.map((line) => html`<p>${line}</p>`)}`,
  });
}

function summary(data: DigitsData) {
  const worst = Math.max(
    0,
    ...data.agreement.map((row) => (Number.isNaN(row.error) ? Number.POSITIVE_INFINITY : row.error)),
  );
  const [timing] = data.timings;
  return [
    {
      name: 'Test accuracy',
      value: percent(data.correct / data.tested),
      note: `${data.correct} of ${data.tested} images`,
    },
    {
      name: 'Largest difference to PyTorch',
      value: number(worst, 2),
      note: `relative, ${data.agreement.every((row) => row.error <= row.tolerance) ? 'all' : 'not all'} within tolerance`,
    },
    { name: 'Ran on', value: data.provider, note: data.runtime },
    ...(timing === undefined
      ? []
      : [{ name: timing.what, value: `${number(timing.milliseconds, 2)} ms`, note: timing.note }]),
  ];
}

function reading(data: DigitsData): Section {
  const idea = (title: string, formula: Markup, words: string) =>
    html`<div><h3>${title}</h3><span class="formula">${math(formula)}</span><p>${words}</p></div>`;
  return {
    id: 'reading',
    title: 'How to read this page',
    body: html`<p>One unit per class. Its score is the solution of a viscous Hamilton–Jacobi equation, ${math(html`u<sub>t</sub> + |∇u|² = ε Δu`)} with ${math(html`u = |x|²/4t − f`)} (up to a function of time alone), whose initial data are the atoms. The viscosity is the temperature ${math(html`ε`)} of the unit, here ${tick(data.network.epsilon)}. Everything below follows from that in closed form.</p>
<div class="ideas">
${idea('The score of a class', html`f<sub>k</sub>(x) = ε log Σ<sub>j</sub> exp(z<sub>j</sub>/ε), &#160; z<sub>j</sub> = W<sub>j</sub>·x + b<sub>j</sub>`, 'A soft maximum over the atoms of the class. The class with the largest score is the answer.')}
${idea('Who decided: the Gibbs weights', html`π<sub>j</sub> = exp((z<sub>j</sub> − f)/ε), &#160; Σ π<sub>j</sub> = 1`, 'The share of the score that each atom carries. It is exact, not an approximation made afterwards.')}
${idea('What an atom was worth', html`f<sub>−j</sub> − f = ε log(1 − π<sub>j</sub>)`, 'How far the score falls when that one atom is taken away and nothing else is changed.')}
${idea('Which pixels matter: the co-state', html`p = ∇f = Σ<sub>j</sub> π<sub>j</sub> W<sub>j</sub>`, 'The gradient of the score: the weighted mean of the atoms. Shown as the difference to the best other class.')}
</div>`,
  };
}

function caseSection(item: DigitsCase, at: number): Section {
  const right = item.label === item.predicted;
  return {
    id: `case-${at + 1}`,
    title: item.title,
    aside: html`<span class="verdict ${right ? 'right' : 'wrong'}">${right ? `read as ${item.predicted}, correct` : `read as ${item.predicted}, labelled ${item.label}`}</span>`,
    body: html`<p>${story(item)}</p>
<div class="grid three">
${figure(
  greyImage(item.image, `${item.title}, labelled ${item.label}`),
  facts([
    [html`score ${math(html`f`)}`, number(item.f[item.classes.indexOf(item.predicted)] ?? Number.NaN, 4)],
    [html`entropy ${math(html`H`)} (nats)`, number(item.entropy)],
    [html`effective atoms ${math(html`e<sup>H</sup>`)}`, `${number(item.effectiveAtoms)} of ${item.atomCount}`],
  ]),
  'The image',
)}
${figure(
  html`${heatMap(item.costate.map, `Co-state of ${item.title} over the pixels`)}${heatKey(number(largest(item.costate.map), 2))}`,
  html`${item.costate.caption} <strong>Orange</strong>: more ink raises it; <strong>blue</strong>: more ink lowers it.`,
  'The co-state',
)}
${figure(
  barChart({
    alt: `Cost of each class for ${item.title}; the least is ${item.predicted}`,
    bars: costs(item),
  }),
  html`Cost ${math(html`u<sub>k</sub>(x) = |x|²/2 − f<sub>k</sub>(x)`)}: half the soft squared distance from the image to the atoms of each class. The least cost is the largest score.`,
  'The classes compared',
)}
</div>
${atoms(item)}
${sweep(item)}`,
  };
}

/** The picture's values are the network's input, so that |x|^2/(4t) at t = 1/2 is half their sum of squares. */
function costs(item: DigitsCase) {
  let square = 0;
  for (let i = 0; i < item.image.values.length; i += 1) square += (item.image.values[i] ?? 0) ** 2;
  return item.classes.map((name, k) => {
    const value = square / 2 - (item.f[k] ?? Number.NaN);
    const emphasis =
      name === item.predicted ? ('strong' as const) : name === item.label ? ('warn' as const) : undefined;
    return { label: name, value, emphasis };
  });
}

function story(item: DigitsCase): string {
  const [top] = item.atoms;
  const order = item.f.map((f, k) => ({ f, name: item.classes[k] ?? '' })).sort((a, b) => b.f - a.f);
  const [best, second] = order;
  const margin = best !== undefined && second !== undefined ? best.f - second.f : Number.NaN;
  const lead = `The score of ${best?.name ?? 'the class'} is ${number(margin)} above that of ${second?.name ?? 'the next'}.`;
  const who = `The decision is shared as widely as among ${number(item.effectiveAtoms, 2)} atoms of equal weight; the strongest carries ${percent(top?.weight ?? Number.NaN, 0)}.`;
  const wrong = item.label === item.predicted ? '' : ' The training images below are the ones it was mistaken for.';
  return `${lead} ${who}${wrong}`;
}

function atoms(item: DigitsCase): Markup {
  const strongest = Math.max(0, ...item.atoms.map((atom) => atom.weight).filter(Number.isFinite));
  const dearest = Math.max(0, ...item.atoms.map((atom) => -atom.leaveOneOut).filter(Number.isFinite));
  const rest = 1 - item.atoms.reduce((sum, atom) => sum + atom.weight, 0);
  const tiles = item.atoms.map(
    (atom) => html`<li class="tile">${greyImage(atom.image, `${atom.label}, weight ${percent(atom.weight)}`)}
<span>π <b>${percent(atom.weight)}</b></span>${meter(atom.weight / strongest, 'weight')}
<span>Δf <b>${number(atom.leaveOneOut, 2)}</b></span>${meter(-atom.leaveOneOut / dearest, 'loss')}
<span class="name">${atom.label}</span></li>`,
  );
  return html`<div class="row">${figure(
    html`<ol class="tiles">${tiles}</ol>`,
    html`The atoms of class ${item.predicted} with the largest weights. <strong>Blue</strong>: ${math(html`π`)}, the Gibbs weight. <strong>Orange</strong>: ${math(html`Δf`)}, the change of the score when the atom is left out. The other ${Math.max(0, item.atomCount - item.atoms.length)} atoms together carry ${percent(Math.max(0, rest))}.`,
    'The training images that decided',
  )}</div>`;
}

function sweep(item: DigitsCase): Markup | null {
  const points = item.sweep;
  if (points.length < 2) return null;
  const x = points.map((point) => point.epsilon);
  const shared = { x, xLabel: 'ε', xLog: true };
  const mark = { x: item.epsilon, label: 'trained' };
  const several = Math.min(4, item.atoms.length);
  return html`<div class="row"><h3>What changes with ${math(html`ε`)}, the weights unchanged</h3></div><div class="grid equal close">
${figure(
  lineChart({
    ...shared,
    mark,
    alt: `Effective atoms against epsilon for ${item.title}`,
    yLabel: 'effective atoms',
    yRange: [1, 1],
    series: [{ name: 'effective atoms', values: points.map((point) => point.effectiveAtoms) }],
  }),
  html`Colder, fewer images decide; warmer, all ${item.atomCount} do. ${math(html`dH/dε = Var<sub>π</sub>(z)/ε³ ≥ 0`)}, so it only ever rises.`,
  'Who takes part',
)}
${figure(
  lineChart({
    ...shared,
    mark,
    alt: `Score against epsilon for ${item.title}`,
    yLabel: `score of ${item.predicted}`,
    series: [{ name: 'f', values: points.map((point) => point.f) }],
  }),
  html`The slope is the entropy, ${math(html`df/dε = H`)}. As ${math(html`ε → 0`)} the score falls to that of the single best atom. ${decisions(points)}`,
  'The score',
)}
${figure(
  lineChart({
    ...shared,
    mark,
    alt: `Weights of the leading atoms against epsilon for ${item.title}`,
    yLabel: 'weight π',
    yRange: [0, 1],
    series: Array.from({ length: several }, (_, j) => ({
      name: item.atoms[j]?.label ?? '',
      values: points.map((point) => point.topWeights[j] ?? Number.NaN),
    })),
  }),
  html`The ${several} leading atoms. Near ${math(html`ε = 0`)} one of them takes all; far to the right each has ${math(html`1/${item.atomCount}`)}.`,
  'The leading atoms',
)}
</div>`;
}

/** Whether the answer depends on epsilon, in words. */
function decisions(points: readonly SweepPoint[]): string {
  const known = points.filter((point) => point.decided !== undefined);
  const runs: { name: string; from: number }[] = [];
  for (const point of known) {
    if (runs.at(-1)?.name !== point.decided) runs.push({ name: point.decided ?? '', from: point.epsilon });
  }
  const [only] = runs;
  if (only === undefined) return '';
  if (runs.length === 1) return `The answer is ${only.name} at every ε shown.`;
  const parts = runs.slice(1).map((run, at) => `${runs[at]?.name ?? ''} until ε = ${number(run.from, 2)}`);
  return `The answer is ${parts.join(', ')}, then ${runs.at(-1)?.name ?? ''}.`;
}

function overall(data: DigitsData): Section {
  return {
    id: 'test-set',
    title: 'The whole test set',
    body: html`<div class="grid two">
${figure(
  confusionMatrix({ alt: 'Confusion matrix of the test set', ...data.confusion }),
  html`Rows: the label; columns: the answer. <strong>Blue</strong>: right; <strong>orange</strong>: mistaken.`,
  'Labels and answers',
)}
${figure(
  histogram({
    alt: 'Histogram of effective atoms over the test images',
    values: data.effectiveAtoms,
    xLabel: 'effective atoms',
    yLabel: 'test images',
  }),
  html`How many atoms share a decision: ${math(html`e<sup>H</sup>`)} of the answered class, out of ${data.network.atoms}. To the left, one image is enough; to the right, a whole crowd agrees.`,
  'How widely decisions are shared',
)}
</div>`,
  };
}

function agreement(data: DigitsData): Section {
  return {
    id: 'agreement',
    title: 'Agreement with PyTorch, and time',
    body: html`<div class="grid two"><div>${table(
      [
        { title: 'Quantity' },
        { title: 'Provider' },
        { title: 'Error', numeric: true },
        { title: 'Tolerance', numeric: true },
        { title: '' },
      ],
      data.agreement.map((row) => [
        row.quantity,
        row.provider,
        number(row.error, 2),
        number(row.tolerance, 1),
        row.error <= row.tolerance ? 'agrees' : html`<strong>differs</strong>`,
      ]),
      `Largest difference over the ${data.tested} test images, relative to the largest value, from what PyTorch recorded.`,
    )}</div><div>${table(
      [{ title: 'Step' }, { title: 'Milliseconds', numeric: true }, { title: '' }],
      data.timings.map((row) => [row.what, number(row.milliseconds, 3), row.note ?? '']),
      'Time of each step in this run.',
    )}</div></div>`,
  };
}
