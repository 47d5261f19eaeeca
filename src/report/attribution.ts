import type { AttributionData } from './attribution-data.ts';
import { attributionRow } from './attribution-row.ts';
import { histogram } from './histogram.ts';
import { html, type Markup } from './markup.ts';
import { number, tick } from './number.ts';
import { facts, figure, keyFigures, math, page, type Section } from './page.ts';
import { rankTable, shortLabel } from './ranks.ts';

/** The page of `hopfcole attribute`: what the site is, the batch at a glance, and per query which atoms decided. */
export function attributionReport(data: AttributionData): string {
  const { rows, batch, site } = data;
  const left = batch.f.length - rows.length;
  return page({
    title: `Which atoms decided at ‘${shortLabel(site.name, 80)}’?`,
    eyebrow: 'hopfcole · attribution by Gibbs weights',
    lead: html`${introduction(data)} For each query this page says which of the site’s atoms its value came from, what each was worth, and how the value answers to a change of the query.`,
    head: keyFigures(summary(data)),
    sections: [aboutSite(data), overBatch(data), ...rows.map((row) => attributionRow(data, row))],
    footer: html`${rows.length > 0 && left > 0 ? html`<p>${left} more ${left === 1 ? 'query is' : 'queries are'} counted in the summary and not shown one by one; an .npz or .json output holds them all.</p>` : null}<p>Computed by ONNX Runtime (${shortLabel(data.provider)}) from ${shortLabel(data.model, 120)} on the inputs in ${shortLabel(data.input, 120)}.</p>`,
  });
}

function introduction({ site }: AttributionData): string {
  if (site.kind === 'softmax-head')
    return 'This site is a softmax head: the soft maximum of its logits, with one atom per class.';
  return site.heads === undefined
    ? 'This site is a log-sum-exp layer: the soft maximum of affine functions, its atoms.'
    : `This site is a bank of ${site.heads} log-sum-exp units, each a soft maximum of affine functions, its atoms. Per query the unit (head) with the largest value f is shown.`;
}

function summary({ batch, site, epsilon }: AttributionData) {
  const broken = batch.f.filter((value) => !Number.isFinite(value)).length;
  const spread = (values: readonly number[]) => {
    const [low, high] = [quantile(values, 0.1), quantile(values, 0.9)];
    return low === undefined || high === undefined
      ? 'no query to measure'
      : `10 to 90 %: ${number(low)} to ${number(high)}`;
  };
  const median = (values: readonly number[]) => {
    const middle = quantile(values, 0.5);
    return middle === undefined ? '–' : number(middle);
  };
  return [
    {
      name: 'Queries',
      value: String(batch.f.length),
      note:
        broken > 0
          ? `${broken} with a value that is not finite`
          : site.heads === undefined
            ? undefined
            : 'largest head of each',
    },
    { name: 'Median value f', value: median(batch.f), note: spread(batch.f) },
    {
      name: 'Median effective atoms',
      value: median(batch.effectiveAtoms),
      note: `${spread(batch.effectiveAtoms)}${site.atoms === null ? '' : `, of ${site.atoms}`}`,
    },
    { name: 'Temperature ε', value: number(epsilon), note: 'viscosity of the equation' },
  ];
}

/** Of the finite values, by nearest rank; undefined where there is none. */
function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * share)];
}

const statuses: Readonly<Record<string, string>> = {
  exact: 'exact: the value solves the equation, up to nothing but rounding',
  structural: 'structural: the same form, without the equation holding exactly',
  open: 'open: not settled',
};

function aboutSite({ site, epsilon }: AttributionData): Section {
  const head = site.kind === 'softmax-head';
  const own = site.viscosity;
  const changed = typeof own === 'number' && own !== epsilon;
  const kind = head ? 'softmax head' : site.heads === undefined ? 'log-sum-exp layer' : 'bank of log-sum-exp units';
  const idea = (title: string, formula: Markup, words: string) =>
    html`<div><h3>${title}</h3><span class="formula">${math(formula)}</span><p>${words}</p></div>`;
  return {
    id: 'site',
    title: 'The site',
    body: html`<div class="grid two">
<div class="about">${facts([
      ['Name', shortLabel(site.name, 120)],
      ['Kind', kind],
      ['Found at', shortLabel(site.where, 200)],
      ...(site.heads === undefined ? [] : ([['Heads', String(site.heads)]] as const)),
      [
        site.heads === undefined ? 'Atoms' : 'Atoms per head',
        site.atoms === null ? 'not stated by the file' : String(site.atoms),
      ],
      ...(site.dim === null ? [] : ([['Dimension d', String(site.dim)]] as const)),
      ['Hamiltonian', math(site.hamiltonian === '|p|^2' ? html`|p|²` : html`${site.hamiltonian}`)],
      [
        'Viscosity',
        html`${math(html`ε`)} = ${typeof own === 'number' ? number(own, 4) : shortLabel(own ?? 'not stated', 60)}`,
      ],
      ...(changed ? ([['Temperature asked for', html`${math(html`ε`)} = ${number(epsilon, 4)}`]] as const) : []),
      ['Status', statuses[site.status] ?? site.status],
    ])}</div>
<div><p>With ${math(html`t`)} any positive time, ${math(html`u(x, t) = |x|²/4t − f(x)`)} is a solution of the viscous Hamilton–Jacobi equation ${math(html`u<sub>t</sub> + |∇u|² = ε Δu`)} (up to a function of time alone) whose initial data are the atoms. What follows is closed form, not an approximation made afterwards.</p>
<p>${head ? 'Here the query is the vector of logits and the atoms are the unit vectors, one per class: the Gibbs weights are the class probabilities, and so is the co-state.' : 'The Gibbs weights attribute the value to atoms. That is influence of training data only where the atoms are data.'}${changed ? ' The temperature was changed for this page; the weights of the network were not.' : ''}</p></div>
</div>
<div class="ideas">
${idea('The value', html`f(x) = ε log Σ<sub>j</sub> exp(z<sub>j</sub>/ε), &#160; z<sub>j</sub> = ${head ? html`x<sub>j</sub>` : html`W<sub>j</sub>·x + b<sub>j</sub>`}`, 'A soft maximum over the atoms: at ε → 0 the largest z alone.')}
${idea('Who decided: the Gibbs weights', html`π<sub>j</sub> = exp((z<sub>j</sub> − f)/ε), &#160; Σ π<sub>j</sub> = 1`, `How much each atom has to say, exactly: also the slope of the value in its ${head ? 'logit' : 'bias'}. Effective atoms: exp of their entropy H.`)}
${idea('What an atom was worth', html`f<sub>−j</sub> − f = ε log(1 − π<sub>j</sub>)`, 'How far the value falls when that one atom is taken away and nothing else is changed.')}
${idea('What the query does: the co-state', html`p = ∇f = Σ<sub>j</sub> π<sub>j</sub> ${head ? html`e<sub>j</sub>` : html`W<sub>j</sub>`}`, 'The gradient of the value in the query: the weighted mean of the atoms.')}
</div>`,
  };
}

function overBatch({ batch, leaders, site, rows }: AttributionData): Section {
  const count = batch.f.length;
  const queries = `${count} ${count === 1 ? 'query' : 'queries'}`;
  if (count === 0)
    return {
      id: 'batch',
      title: 'The batch',
      body: html`<p class="empty">The input holds no query: there is nothing to attribute.</p>`,
    };
  const drawn = (values: readonly number[], xLabel: string) =>
    histogram({ alt: `Histogram of ${xLabel} over ${queries}`, values, xLabel, yLabel: 'queries' });
  const most = leaders[0]?.queries ?? 0;
  const bound = site.atoms === null ? '' : ` It lies between 1 and ${site.atoms}.`;
  return {
    id: 'batch',
    title: 'The batch',
    aside: html`<span class="note">${queries}${rows.length < count ? `, the first ${rows.length} of them below one by one` : ''}</span>`,
    body: html`<div class="grid equal">
${figure(drawn(batch.effectiveAtoms, 'effective atoms'), html`${math(html`e<sup>H</sup>`)}: among how many atoms of equal weight a value is as widely shared.${bound}`, 'How widely values are shared')}
${figure(drawn(batch.f, 'value f'), `The value of the ${site.heads === undefined ? 'site' : 'head shown'}, in the units of the logits.`, 'The values')}
${figure(drawn(batch.entropy, 'entropy H (nats)'), html`Entropy of the Gibbs weights; ${math(html`df/dε = H`)}.${site.atoms === null ? '' : ` At most log ${site.atoms} = ${tick(Number(Math.log(site.atoms).toPrecision(3)))}.`}`, 'The entropy')}
</div>
${
  leaders.length === 0
    ? null
    : html`<div class="row">${figure(
        rankTable(
          ['Atom', 'heaviest in'],
          leaders.map((leader) => ({
            label: leader.head === undefined ? leader.label : `head ${leader.head} · ${leader.label}`,
            measures: [{ text: `${leader.queries} of ${count}`, share: leader.queries / most, kind: 'weight' }],
          })),
        ),
        'The atoms that are the heaviest of the most queries.',
        'Who leads most often',
      )}</div>`
}`,
  };
}
