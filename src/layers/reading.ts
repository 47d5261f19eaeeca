/** How far a layer is a discretised Hamilton-Jacobi equation: exactly, in structure only, or an open question. */
export type Status = 'exact' | 'structural' | 'open';

/** Metadata key, on the node that is the layer, of its reading as JSON. */
export const readingKey = 'hopfcole.reading';

/** What a layer is in Hamilton-Jacobi terms, as data (docs/architectures.md has the table). */
export interface Reading {
  /** The module's path. */
  readonly name: string;
  readonly kind: ReadingKind;
  readonly status: Status;
  readonly hamiltonian: string;
  /** Viscosity: a number, or words where it is learned or is none. */
  readonly viscosity: number | string;
  /** How the layer discretises its equation. */
  readonly discretisation: string;
  /** Time step of the discretisation; null where it takes none. */
  readonly step: number | string | null;
  /** The equation, in plain text and in LaTeX. */
  readonly equation: string;
  readonly latex: string;
}

/** What a layer knows of itself beyond its kind; what is left out stands as in the table. */
export interface ReadingDetails {
  readonly viscosity?: number | string | undefined;
  readonly step?: number | string | null | undefined;
  readonly status?: Status | undefined;
  readonly hamiltonian?: string | undefined;
  readonly discretisation?: string | undefined;
  readonly equation?: string | undefined;
  readonly latex?: string | undefined;
  /** Further metadata of the node. */
  readonly metadata?: ReadonlyMap<string, string> | undefined;
}

/** One row of the table: what all layers of a kind are. `{eps}` and `{h}` stand for a layer's own viscosity and time step. */
export interface Architecture {
  readonly title: string;
  readonly status: Status;
  readonly hamiltonian: string;
  readonly viscosity: number | string;
  readonly discretisation: string;
  readonly step: number | string | null;
  readonly equation: string;
  readonly latex: string;
  /** The co-state: the row dLoss/dstate and how it moves back through the layer. */
  readonly costate: string;
  /** The file that implements it. */
  readonly file: string;
}

const exact = { status: 'exact', discretisation: 'none: the layer is the solution', step: null } as const;
const quadratic = '|p|^2';
const carrier = {
  status: 'structural',
  hamiltonian: 'none',
  viscosity: 'none',
  discretisation: 'none: it carries values between layers',
  step: null,
} as const;

/** Every kind of layer and its equation: the one table that layers, `inspect` and docs/architectures.md read. */
export const architectures = {
  lse: {
    ...exact,
    title: 'Log-sum-exp layer and bank',
    hamiltonian: quadratic,
    viscosity: 'eps',
    equation: 'u_t + |grad u|^2 = {eps} Lap u, f = |x|^2/(4t) - u = {eps} log sum_j exp((W_j.x + b_j)/{eps})',
    latex:
      '\\partial_t u + |\\nabla u|^2 = \\varepsilon \\Delta u,\\quad f(x) = \\tfrac{|x|^2}{4t} - u(x,t) = \\varepsilon \\log \\sum_j e^{(W_j \\cdot x + b_j)/\\varepsilon}',
    costate: 'E_pi W, pi = softmax((Wx + b)/eps)',
    file: 'src/layers/lse.ts',
  },
  'hopf-cole': {
    ...exact,
    title: 'Hopf-Cole layer',
    hamiltonian: "|p|^2 (p'Ap with a metric)",
    viscosity: 'eps',
    equation: 'u_t + |grad u|^2 = {eps} Lap u, u(x,t) = -{eps} log sum_j exp(-(g_j + |x - y_j|^2/(4t))/{eps})',
    latex:
      'u(x,t) = -\\varepsilon \\log \\sum_j \\exp\\!\\Big({-\\tfrac{1}{\\varepsilon}}\\big(g_j + \\tfrac{|x-y_j|^2}{4t}\\big)\\Big)',
    costate: '(x - E_pi y)/(2t)',
    file: 'src/layers/hopf-cole.ts',
  },
  'softmax-head': {
    ...exact,
    title: 'Softmax head',
    hamiltonian: quadratic,
    viscosity: 'temperature',
    equation: 'pi = grad_z {eps} log sum_j exp(z_j/{eps}): Gibbs weights of u_t + |grad u|^2 = {eps} Lap u',
    latex: '\\pi = \\nabla_z\\, \\varepsilon \\log \\sum_j e^{z_j/\\varepsilon} = \\mathrm{softmax}(z/\\varepsilon)',
    costate: 'pi - onehot with cross-entropy',
    file: 'src/layers/lse.ts',
  },
  softplus: {
    ...exact,
    title: 'Softplus unit',
    hamiltonian: quadratic,
    viscosity: 'eps',
    equation: '{eps} log(exp(z/{eps}) + 1): two atoms, {y = 0, g = 0} and {y = 2tw, g = -b - t|w|^2}',
    latex: '\\varepsilon \\log\\big(e^{(w \\cdot x + b)/\\varepsilon} + 1\\big)',
    costate: 'sigma(z/eps) w',
    file: 'src/layers/units.ts',
  },
  relu: {
    ...exact,
    title: 'ReLU unit',
    hamiltonian: quadratic,
    viscosity: 0,
    equation: 'max(z, 0): the limit eps -> 0 of eps log(exp(z/eps) + 1), two atoms (Hopf-Lax)',
    latex:
      '\\max(w \\cdot x + b, 0) = \\lim_{\\varepsilon \\to 0} \\varepsilon \\log\\big(e^{(w \\cdot x + b)/\\varepsilon} + 1\\big)',
    costate: '1(z > 0) w',
    file: 'src/layers/units.ts',
  },
  max: {
    ...exact,
    title: 'Maxout, max pooling, tropical layer',
    hamiltonian: quadratic,
    viscosity: 0,
    equation: 'max_j (W_j.x + b_j): Hopf-Lax, the limit eps -> 0 of the log-sum-exp layer',
    latex:
      '\\max_j\\,(W_j \\cdot x + b_j) = \\lim_{\\varepsilon \\to 0} \\varepsilon \\log \\sum_j e^{(W_j \\cdot x + b_j)/\\varepsilon}',
    costate: 'W_argmax',
    file: 'src/layers/lse.ts',
  },
  'lse-feed-forward': {
    ...exact,
    title: 'Log-sum-exp feed-forward block',
    hamiltonian: quadratic,
    viscosity: 'eps',
    equation: 'V LSE_{eps}(Wx + b) + c: every unit solves u_t + |grad u|^2 = {eps} Lap u, V combines solutions',
    latex: 'V\\, \\mathrm{LSE}_\\varepsilon(Wx + b) + c',
    costate: "E_pi W by unit, pulled back by V'",
    file: 'src/layers/feed-forward.ts',
  },
  'feed-forward': {
    title: 'GELU and SiLU feed-forward block',
    status: 'open',
    hamiltonian: 'unknown',
    viscosity: 'unknown',
    discretisation: 'open: no Hamilton-Jacobi equation is known for it',
    step: null,
    equation: 'V phi(Wx + b) + c with phi = GELU or SiLU',
    latex: 'V\\, \\varphi(Wx + b) + c',
    costate: "W' diag(phi') V' p",
    file: 'src/layers/feed-forward.ts',
  },
  activation: {
    title: 'GELU, SiLU, tanh and other units',
    status: 'open',
    hamiltonian: 'unknown',
    viscosity: 'unknown',
    discretisation: 'open: no Hamilton-Jacobi equation is known for it',
    step: null,
    equation: 'phi(z), not convex: no log-sum-exp of the two atoms 0 and z',
    latex: '\\varphi(z)',
    costate: "phi'(z) p",
    file: 'src/layers/units.ts',
  },
  convex: {
    ...exact,
    discretisation: 'none: each layer is the solution at its own input (x, z)',
    title: 'Input-convex network of log-sum-exp layers',
    hamiltonian: quadratic,
    viscosity: 'eps',
    equation:
      'z_(l+1) = LSE_{eps}(P z_l + Wx + b), P >= 0: each layer the solution at its own input (x, z_l), the whole convex in x',
    latex: 'z_{l+1} = \\mathrm{LSE}_\\varepsilon(P z_l + W x + b),\\quad P \\ge 0',
    costate: "E_pi[P' p + W]",
    file: 'src/layers/models/convex.ts',
  },
  residual: {
    title: 'Residual step',
    status: 'structural',
    hamiltonian: 'p.F(x)',
    viscosity: 0,
    discretisation: 'forward Euler (the co-state recursion is exact)',
    step: 1,
    equation: 'dx/dt = dH/dp = F(x), H = p.F(x): x_(l+1) = x_l + {h} F(x_l)',
    latex: 'x_{l+1} = x_l + h F(x_l),\\quad H(x,p) = p \\cdot F(x)',
    costate: "p_l = p_(l+1) + h DF(x_l)' p_(l+1)",
    file: 'src/layers/residual.ts',
  },
  leapfrog: {
    title: 'Leapfrog step (reversible)',
    status: 'structural',
    hamiltonian: 'T(p) + V(q)',
    viscosity: 0,
    discretisation: 'leapfrog: symplectic, reversible, second order',
    step: 1,
    equation: 'dq/dt = grad T(p), dp/dt = -grad V(q), step {h}',
    latex: '\\dot q = \\nabla T(p),\\quad \\dot p = -\\nabla V(q)',
    costate: 'the same recursion backward',
    file: 'src/layers/leapfrog.ts',
  },
  attention: {
    ...exact,
    title: 'Attention head',
    hamiltonian: '|p|^2; for V != K no gradient in q',
    viscosity: 'sqrt(d_k)',
    discretisation: 'none: each head is the Gibbs average of its own solution',
    equation: "softmax(qK'/{eps}) V = d/ds {eps} log sum_j exp((k_j.q + v_j.s)/{eps}) at s = 0",
    latex:
      '\\mathrm{softmax}(qK^\\top/\\varepsilon)V = \\nabla_s\\, \\varepsilon \\log \\sum_j e^{(k_j \\cdot q + v_j \\cdot s)/\\varepsilon} \\big|_{s=0}',
    costate: 'd out/dq = Cov_pi(v, k)/eps',
    file: 'src/layers/attention.ts',
  },
  hopfield: {
    ...exact,
    title: 'Modern Hopfield retrieval',
    hamiltonian: quadratic,
    viscosity: '1/beta',
    equation: "xi <- X softmax(beta X'xi): x - 2t grad u at t = 1/2, the energy is u",
    latex: '\\xi \\leftarrow X\\, \\mathrm{softmax}(\\beta X^\\top \\xi) = \\xi - \\nabla u(\\xi, \\tfrac12)',
    costate: 'Cov_pi(X, X)/eps p',
    file: 'src/layers/hopfield.ts',
  },
  norm: {
    ...carrier,
    title: 'Layer, RMS, group and batch normalisation',
    equation: 'projection to a sphere (layer, RMS, group); an affine map (batch, at inference)',
    latex: '\\hat x = (x - \\mu)/\\sigma',
    costate: 'its Jacobian; the identities hold after it',
    file: 'src/layers/norm.ts',
  },
  rnn: {
    title: 'Recurrent network (tanh, ReLU)',
    status: 'structural',
    hamiltonian: 'p.(phi(Wh + Ux + b) - h)',
    viscosity: 'per coordinate two atoms',
    discretisation: 'forward Euler',
    step: 1,
    equation: 'dh/dt = phi(Wh + Ux + b) - h, step 1: h_t = phi(W h_(t-1) + U x_t + b)',
    latex: 'h_t = \\varphi(W h_{t-1} + U x_t + b) = h_{t-1} + 1 \\cdot (\\varphi - h_{t-1})',
    costate: "W' diag(phi') p",
    file: 'src/layers/recurrent/',
  },
  gru: {
    title: 'Gated recurrent unit',
    status: 'structural',
    hamiltonian: 'p.((1-z)*(n-h))',
    viscosity: 'gate temperature',
    discretisation: 'forward Euler',
    step: 1,
    equation: 'dh/dt = (1-z)*(n-h), step 1: h_t = h_(t-1) + (1-z)*(n - h_(t-1))',
    latex: 'h_t = h_{t-1} + (1-z) \\odot (n - h_{t-1})',
    costate: 'z*p and gate terms',
    file: 'src/layers/recurrent/',
  },
  lstm: {
    title: 'Long short-term memory',
    status: 'structural',
    hamiltonian: 'p.(s - lambda c), lambda = -log f, s = i*g*lambda/(1-f)',
    viscosity: 'gate temperature',
    discretisation: 'exact over one step for the linear cell recursion; gates held over the step',
    step: 1,
    equation: 'dc/dt = s - lambda c, step 1: c_t = f*c_(t-1) + i*g, h_t = o*tanh(c_t)',
    latex: '\\dot c = s - \\lambda c,\\quad c_t = f \\odot c_{t-1} + i \\odot g,\\quad h_t = o \\odot \\tanh c_t',
    costate: 'p_c(t-1) = f*(p_c + o*(1 - tanh(c)^2)*p_h)',
    file: 'src/layers/recurrent/',
  },
  ssm: {
    title: 'State-space model (S4D, Mamba)',
    status: 'exact',
    hamiltonian: 'p.(Ah + Bx)',
    viscosity: 0,
    discretisation: 'zero-order hold (exact for inputs held over a step)',
    step: 'dt',
    equation: 'dh/dt = Ah + Bx, y = Ch + Dx, step {h}: h_t = exp(dt A) h_(t-1) + Bbar x_t',
    latex: '\\dot h = A h + B x,\\quad h_t = e^{\\Delta A} h_{t-1} + \\bar B x_t,\\quad y_t = C h_t + D x_t',
    costate: "Abar' p",
    file: 'src/layers/ssm/',
  },
  'log-semiring': {
    ...exact,
    title: 'Log-semiring recursion (HMM forward; Viterbi as eps -> 0)',
    hamiltonian: 'discrete Hopf-Cole',
    viscosity: 'eps',
    discretisation: 'none: the recursion is the discrete solution',
    step: 1,
    equation: 'alpha_t(j) = {eps} log sum_i exp((alpha_(t-1)(i) + A_ij)/{eps}) + e_t(j)',
    latex: '\\alpha_t(j) = \\varepsilon \\log \\sum_i e^{(\\alpha_{t-1}(i) + A_{ij})/\\varepsilon} + e_t(j)',
    costate: 'posterior marginals',
    file: 'src/layers/semiring.ts',
  },
  linear: {
    ...carrier,
    title: 'Linear layer',
    equation: 'z = Wx + b',
    latex: 'z = Wx + b',
    costate: "W'p",
    file: 'src/layers/linear.ts',
  },
  convolution: {
    ...carrier,
    title: 'Convolution',
    equation: 'z = W * x + b',
    latex: 'z = W * x + b',
    costate: 'correlation with W',
    file: 'src/layers/convolution.ts',
  },
  embedding: {
    ...carrier,
    title: 'Embedding',
    equation: 'x = E[token]: which atoms of the table are read',
    latex: 'x = E_{token}',
    costate: 'rows of E gather p',
    file: 'src/layers/embedding.ts',
  },
} as const satisfies Readonly<Record<string, Architecture>>;

export type ReadingKind = keyof typeof architectures;

/** The reading of one layer: its row of the table with its own viscosity and time step. */
export function readingOf(kind: ReadingKind, name: string, details: ReadingDetails = {}): Reading {
  const row: Architecture = architectures[kind];
  const viscosity = details.viscosity ?? row.viscosity;
  const step = details.step === undefined ? row.step : details.step;
  const own = (text: string) => text.replaceAll('{eps}', String(viscosity)).replaceAll('{h}', String(step));
  return {
    name,
    kind,
    status: details.status ?? row.status,
    hamiltonian: details.hamiltonian ?? row.hamiltonian,
    viscosity,
    discretisation: details.discretisation ?? row.discretisation,
    step,
    equation: own(details.equation ?? row.equation),
    latex: details.latex ?? row.latex,
  };
}
