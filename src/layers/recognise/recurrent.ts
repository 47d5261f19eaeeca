import { type Facts, unsupported } from './facts.ts';
import { type Family, said, type Told } from './family.ts';
import type { Names } from './names.ts';

/** Gates of each cell: rows of its weights by features of its state. */
const cells: ReadonlyMap<number, 'rnn' | 'gru' | 'lstm'> = new Map([
  [1, 'rnn'],
  [3, 'gru'],
  [4, 'lstm'],
]);

interface Stack {
  readonly cell: 'rnn' | 'gru' | 'lstm';
  readonly input: number;
  /** Features of what it gives, in all directions. */
  readonly output: number;
  readonly options: Readonly<Record<string, unknown>>;
}

const parts = /^(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l\d+(_reverse)?$/;

/** nn.LSTM, nn.GRU and nn.RNN: which of them the gates tell; alone, or between an embedding and a linear layer (a tagger). */
export const recurrentFamily: Family = {
  family: 'recurrent',
  tell(names, facts) {
    const modules = modulesOf(names);
    const cell = modules.size === 1 ? cellOf(names, facts, [...modules][0]) : undefined;
    if (cell !== undefined) return cell;
    const recurrent = [...modules].filter(([, own]) => own.has('weight_ih_l0'));
    const [first] = recurrent;
    if (first === undefined || recurrent.length > 1) return undefined;
    const [path, own] = first;
    if (![...own].every((name) => parts.test(name))) return undefined;
    const stack = stackOf(names, path);
    if (stack === undefined) return undefined;
    // Of a linear nonlinearity and a hyperbolic tangent the weights say nothing.
    const nonlinearity =
      stack.cell === 'rnn' ? (facts.config?.text('nonlinearity') ?? facts.assume('nonlinearity', 'tanh')) : undefined;
    if (modules.size === 1) {
      const batchFirst = facts.flag(['batch_first'], { always: true });
      return alone(path, stack, said({ nonlinearity, batchFirst }), batchFirst !== false);
    }
    if (modules.size !== 3) return undefined;
    const others = [...modules].filter(([name]) => name !== path);
    const embedding = others.find(([, has]) => has.size === 1 && has.has('weight'))?.[0];
    const classifier = others.find(([, has]) => has.size === 2 && has.has('weight') && has.has('bias'))?.[0];
    // A tagger names its parts.
    if (embedding === undefined || classifier === undefined || [path, embedding, classifier].includes(''))
      return undefined;
    if (names.size(`${embedding}.weight`, 1) !== stack.input || names.size(`${classifier}.weight`, 1) !== stack.output)
      return undefined;
    if (stack.cell === 'rnn' && nonlinearity !== 'tanh') throw unsupported(`a tagger of ${nonlinearity} steps`);
    if (stack.options.bias === false || stack.options.projection !== undefined)
      throw unsupported('a tagger whose recurrence has a projection or no biases');
    // A classifier of whole sequences has the same weights.
    facts.assume('scores', 'every step');
    return {
      network: `${stack.cell.toUpperCase()} tagger`,
      spec: {
        name: 'tagger',
        inputs: [{ name: 'tokens', dtype: 'int64', shape: ['batch', 'time'] }],
        output: 'scores',
        layers: [{ kind: 'lstm-tagger', cell: stack.cell, names: { embedding, recurrent: path, classifier } }],
      },
    };
  },
};

/** nn.LSTMCell, nn.GRUCell, nn.RNNCell: one step. */
function cellOf(
  names: Names,
  facts: Facts,
  module: readonly [string, ReadonlySet<string>] | undefined,
): Told | undefined {
  const [path = '', own] = module ?? [];
  if (own?.has('weight_ih') !== true || ![...own].every((name) => /^(weight|bias)_(ih|hh)$/.test(name)))
    return undefined;
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  const [rows = 0, input] = names.shape(at('weight_ih')) ?? [];
  const hidden = names.size(at('weight_hh'), 1);
  const cell = hidden === undefined || hidden === 0 ? undefined : cells.get(rows / hidden);
  if (cell === undefined || input === undefined || hidden === undefined) return undefined;
  const isLong = cell === 'lstm';
  const states = isLong ? ['h', 'c'] : ['h'];
  const nonlinearity =
    cell === 'rnn' ? (facts.config?.text('nonlinearity') ?? facts.assume('nonlinearity', 'tanh')) : undefined;
  const bias = names.has(at('bias_ih')) ? undefined : false;
  return {
    network: `nn.${cell.toUpperCase()}Cell`,
    spec: said({
      name: 'cell',
      inputs: [{ name: 'x', shape: ['batch', input] }, ...states.map((name) => ({ name, shape: ['batch', hidden] }))],
      output: 'h_1',
      outputs: isLong ? { c_1: at('c') } : undefined,
      layers: [
        said({
          kind: `${cell}-cell`,
          name: path === '' ? '.' : path,
          from: ['x', ...states],
          hidden,
          bias,
          nonlinearity,
        }),
      ],
    }),
  };
}

/** The names of each module, by its path. */
function modulesOf(names: Names): Map<string, Set<string>> {
  const modules = new Map<string, Set<string>>();
  for (const name of names.all.keys()) {
    const end = name.lastIndexOf('.');
    const path = name.slice(0, Math.max(0, end));
    modules.set(path, (modules.get(path) ?? new Set()).add(name.slice(end + 1)));
  }
  return modules;
}

function stackOf(names: Names, path: string): Stack | undefined {
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  const [rows, input] = names.shape(at('weight_ih_l0')) ?? [];
  const projection = names.size(at('weight_hr_l0'), 0);
  const hidden = names.size(at(projection === undefined ? 'weight_hh_l0' : 'weight_hr_l0'), 1);
  if (rows === undefined || input === undefined || hidden === undefined || hidden === 0) return undefined;
  const cell = cells.get(rows / hidden);
  if (cell === undefined) return undefined;
  const directions = names.has(at('weight_ih_l0_reverse')) ? 2 : 1;
  const bias = names.has(at('bias_ih_l0')) ? undefined : false;
  return {
    cell,
    input,
    output: (projection ?? hidden) * directions,
    options: said({ hidden, projection, bias }),
  };
}

/** The recurrence by itself: what it gives at every step, and its final states under PyTorch's names. */
function alone(path: string, stack: Stack, more: Readonly<Record<string, unknown>>, batchFirst: boolean): Told {
  const name = path === '' ? '.' : path;
  const state = (own: string) => (path === '' ? own : `${path}.${own}`);
  return {
    network: `nn.${stack.cell.toUpperCase()}`,
    spec: {
      name: stack.cell,
      inputs: [{ name: 'x', shape: batchFirst ? ['batch', 'time', stack.input] : ['time', 'batch', stack.input] }],
      output: 'output',
      outputs: { h_n: state('h_n'), ...(stack.cell === 'lstm' ? { c_n: state('c_n') } : {}) },
      layers: [{ kind: stack.cell, name, ...stack.options, ...more }],
    },
  };
}
