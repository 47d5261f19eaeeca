import { type Architecture, architectures, type ReadingKind } from '../../src/layers/reading.ts';
import { pictures } from './architecture-pictures.ts';
import { drawn } from './drawing.ts';

/** What the paper's abstract says, sentence by sentence in our words, and what stands behind it here. */
const abstract: readonly { readonly says: string; readonly here: string; readonly files: readonly string[] }[] = [
  {
    says: 'Training a network is a search through initial-value problems of Hamilton-Jacobi equations: each gradient step chooses new initial data (y, g) of a viscous equation, so that its Hopf-Cole solution fits the observations.',
    here: 'The co-state graph gives dL/dW and dL/db, and of a Hopf-Cole layer dL/dy and dL/dg themselves; (W,b) and (y,g) encode one another.',
    files: ['src/costate/costate.ts', 'src/layers/hopf-cole.ts'],
  },
  {
    says: 'Inference evaluates that solution: the input is the point in space, and the initial condition is in the weights.',
    here: '`hopfcole verify` decodes the initial data from the weights and evaluates the solution by a path of its own.',
    files: ['src/analysis/verify.ts', 'src/analysis/references.ts'],
  },
  {
    says: 'For log-sum-exp layers this is exact.',
    here: 'The layer, its operator, and the identities that both obey.',
    files: ['src/layers/lse.ts', 'ops/log-sum-exp.ts', 'src/analysis/identities.ts'],
  },
  {
    says: 'For wider architectures it is structural: residual networks, transformers and recurrent networks (RNN, LSTM, SSM) discretise equations of the same class, each with its own Hamiltonian and viscosity.',
    here: 'The table below; every layer says its row in the file it is written to, and `hopfcole inspect` finds it in the files of others.',
    files: ['src/layers/reading.ts', 'src/reading/sites.ts', 'src/analysis/order-identities.ts'],
  },
  {
    says: 'One parameter eps joins four views, the network, tropical algebra, the viscous equation and convex optimisation, in a commutative diagram that is closed under Lipschitz conditions.',
    here: 'eps is an input of every operator. The limit eps -> 0, the gap to it and the convex form are identities that are checked; the Lipschitz conditions stand in [theory.md](theory.md) alone.',
    files: ['src/layers/units.ts', 'ops/hopf-lax.ts', 'src/analysis/identities.ts'],
  },
  {
    says: 'For fixed t the generalisation error falls as n^(-1/(d+2)), which is minimax optimal.',
    here: 'Nothing here: no published experiment varies n.',
    files: [],
  },
  {
    says: 'eps governs robustness against adversarial inputs.',
    here: 'The co-state and its derivative (Hessian-vector products) are graphs; the bounds stand in [theory.md](theory.md), no command computes them yet.',
    files: ['src/costate/costate.ts'],
  },
  {
    says: 'Backpropagation is the co-state equation of a Hamiltonian system (the maximum principle of Pontryagin), for residual networks.',
    here: 'The co-state of any ONNX graph, and the invariants that hold along a residual chain.',
    files: ['src/costate/costate.ts', 'src/analysis/residual-identities.ts'],
  },
  {
    says: 'Exponents of scaling laws agree with the intrinsic dimension of the data, by quadrature of the equation.',
    here: 'Nothing here yet.',
    files: [],
  },
  {
    says: 'The softmax weights pi_j are an influence function in closed form, of O(N).',
    here: 'Gibbs attribution and leave-one-out.',
    files: ['ops/attribution.ts', 'src/analysis/attribution.ts'],
  },
  {
    says: 'The landscape of their entropy goes through fold bifurcations as eps rises, each merging basins of attribution.',
    here: 'The entropy is an operator with a co-state; the search for folds is not here yet. Not every fold merges basins: only those of a minimum and a saddle ([theory.md](theory.md)).',
    files: ['ops/gibbs-entropy.ts'],
  },
];

const head = `# Architectures as discretised Hamilton-Jacobi equations

Made by \`npm run generate:docs\` from the one table that layers and \`hopfcole inspect\` read ([src/layers/reading.ts](../src/layers/reading.ts)); a test holds that it is up to date. The pictures are drawn from numbers that the float64 references compute.

## What the paper says, and where it is here

The abstract of "The Hamilton-Jacobi Theory of Deep Learning" (arXiv 2605.28983), sentence by sentence in our words.
`;

const statuses = `## The table

**exact**: the layer is a solution of its equation. **structural**: the layer is a discretisation of its equation, and what is exact of it is said. **open**: no equation is known. p is the co-state, the row dLoss/dstate; eps is the viscosity, h the time step.
`;

/** docs/architectures.md and its pictures as the table is now: texts by file. */
export function architecturePage(): Record<string, string> {
  const rows = Object.entries(architectures) as [ReadingKind, Architecture][];
  const files: Record<string, string> = {};
  const sections = rows.map(([kind, row]) => {
    const picture = pictures[kind];
    if (picture !== undefined) files[`docs/architectures/${kind}.svg`] = drawn(picture);
    return section(kind, row, picture?.alt);
  });
  files['docs/architectures.md'] = [
    head,
    '| the paper | here | files |',
    '|---|---|---|',
    ...abstract.map(({ says, here, files: own }) => `| ${cell(says)} | ${cell(here)} | ${own.map(link).join(', ')} |`),
    '',
    statuses,
    '| architecture | status | Hamiltonian | viscosity | discretisation |',
    '|---|---|---|---|---|',
    ...rows.map(
      ([kind, row]) =>
        `| [${row.title}](#${kind}) | ${row.status} | ${code(row.hamiltonian)} | ${cell(String(row.viscosity))} | ${cell(row.discretisation)} |`,
    ),
    '',
    ...sections,
  ].join('\n');
  return files;
}

function section(kind: ReadingKind, row: Architecture, alt: string | undefined): string {
  const plain = row.equation.replaceAll('{eps}', 'eps').replaceAll('{h}', 'h');
  return [
    `<a id="${kind}"></a>`,
    '',
    `### ${row.title}`,
    '',
    ...(alt === undefined ? [] : [`![${alt}](architectures/${kind}.svg)`, '']),
    '$$',
    row.latex,
    '$$',
    '',
    '| | |',
    '|---|---|',
    `| equation | ${code(plain)} |`,
    `| Hamiltonian | ${code(row.hamiltonian)} |`,
    `| viscosity | ${cell(String(row.viscosity))} |`,
    `| discretisation | ${cell(row.discretisation)}${row.step === null ? '' : `; step ${row.step}`} |`,
    `| status | ${row.status} |`,
    `| co-state | ${code(row.costate)} |`,
    `| file | ${link(row.file)} |`,
    `| kind | \`${kind}\` |`,
    '',
  ].join('\n');
}

function link(file: string): string {
  return `[${file}](../${file})`;
}

/** Bars would end a cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function code(text: string): string {
  return /[|*_^()<=']/.test(text) ? `\`${text.replaceAll('|', '\\|')}\`` : text;
}
