import type { Model } from '../graph/graph.ts';
import { moduleKey } from '../graph/module-path.ts';
import type { Value } from '../graph/value.ts';
import { makerOf } from '../reading/arguments.ts';
import type { Site } from '../reading/sites.ts';
import { type Found, rowOf } from './probe.ts';
import type { References } from './references.ts';
import { type Probing, precisionOf, roundingOf } from './site-checks.ts';
import { type Channel, ssmChecks } from './ssm-identities.ts';
import { dot, spread } from './vectors.ts';

/** Channels and sequences compared. */
const most = { channels: 4, rows: 2 };

/**
 * A state-space layer whose parameters have the names of the reference codes, S4D's or Mamba's: y + D x [time, batch, channels] by the graph. undefined
 * for others, and where a state is given from outside.
 */
export function ssmProbing(model: Model, { node }: Site, references: References): Probing | undefined {
  const [y] = node.outputs;
  const skip = makerOf(node.inputs[1]);
  const x = skip?.opType === 'Mul' ? skip.inputs[1] : undefined;
  if (node.opType !== 'Add' || y === undefined || x === undefined) return undefined;
  const path = node.metadata.get(moduleKey);
  const parameters = new Map(model.graph.parameters.map((value) => [value.name ?? '', value]));
  const named = (names: readonly string[]): Record<string, Value> | undefined => {
    const found = names.map((name) => [name, parameters.get(path === undefined ? name : `${path}.${name}`)] as const);
    return found.every((entry): entry is [string, Value] => entry[1] !== undefined)
      ? Object.fromEntries(found)
      : undefined;
  };
  const s4d = named(['D', 'kernel.log_dt', 'kernel.C', 'kernel.log_A_real', 'kernel.A_imag']);
  const mamba = named(['D', 'A_log', 'x_proj.weight', 'dt_proj.weight', 'dt_proj.bias']);
  const own = s4d ?? mamba;
  if (own === undefined || carries(model, s4d === undefined ? own.A_log : own['kernel.C'])) return undefined;
  return {
    wanted: { x, y, ...own },
    checks: (found) => {
      const { x: xs, y: ys } = found as Record<'x' | 'y', Found>;
      const [, batch = 0, channels = 0] = ys.shape;
      const made = spread(Math.min(batch, most.rows), most.rows).flatMap((row) =>
        spread(channels, most.channels).map((channel) =>
          s4d === undefined ? mambaChannel(found, xs, ys, row, channel) : s4dChannel(found, xs, ys, row, channel),
        ),
      );
      // Mamba makes dt, B and C in the type of its parameters, S4D everything in that of the recursion.
      const chosen = s4d === undefined ? own.A_log : y;
      const precision = Math.max(precisionOf(y), precisionOf(chosen));
      return ssmChecks(made, precision, roundingOf(y), s4d !== undefined, references);
    },
  };
}

/** Whether a state [batch, channels, ..] of the layer's sizes is an input of the graph. */
function carries({ graph }: Model, sizes: Value | undefined): boolean {
  const [channels, states] = sizes?.shape ?? [];
  return graph.inputs.some(
    ({ shape }) => shape !== undefined && shape.length > 2 && shape[1] === channels && shape[2] === states,
  );
}

function series(tensor: Found, row: number, channel: number): number[] {
  return Array.from({ length: tensor.shape[0] ?? 0 }, (_, step) => rowOf(tensor, [step, row])[channel] ?? Number.NaN);
}

/** dh/dt = Ah + x, y = 2 Re(Ch) + Dx: every mode stands for itself and its conjugate. */
function s4dChannel(
  found: Readonly<Record<string, Found>>,
  xs: Found,
  ys: Found,
  row: number,
  channel: number,
): Channel {
  const get = (name: string) => found[name] as Found;
  const x = series(xs, row, channel);
  const dt = Math.exp(get('kernel.log_dt').values[channel] ?? Number.NaN);
  const real = rowOf(get('kernel.log_A_real'), [channel]);
  const imaginary = rowOf(get('kernel.A_imag'), [channel]);
  const D = get('D').values[channel] ?? Number.NaN;
  return {
    a: Array.from(real, (log, mode) => ({ re: -Math.exp(log), im: imaginary[mode] ?? Number.NaN })),
    dt: () => dt,
    drive: (step) => x[step] ?? Number.NaN,
    jump: () => 0,
    c: (_, mode) => {
      const [re = Number.NaN, im = Number.NaN] = rowOf(get('kernel.C'), [channel, mode]);
      return { re: 2 * re, im: 2 * im };
    },
    past: (step) => D * (x[step] ?? Number.NaN),
    y: series(ys, row, channel),
  };
}

/** dh/dt = Ah + B(x)x, y = C(x)h + Dx with dt, B and C linear in x. */
function mambaChannel(
  found: Readonly<Record<string, Found>>,
  xs: Found,
  ys: Found,
  row: number,
  channel: number,
): Channel {
  const get = (name: string) => found[name] as Found;
  const logs = rowOf(get('A_log'), [channel]);
  const states = logs.length;
  const weight = get('x_proj.weight');
  const time = xs.shape[0] ?? 0;
  const chosen = Array.from({ length: time }, (_, step) => {
    const x = rowOf(xs, [step, row]);
    return Float64Array.from({ length: weight.shape[0] ?? 0 }, (_unused, unit) => dot(rowOf(weight, [unit]), x));
  });
  const rank = (weight.shape[0] ?? 0) - 2 * states;
  const low = rowOf(get('dt_proj.weight'), [channel]);
  const shift = get('dt_proj.bias').values[channel] ?? Number.NaN;
  const dts = chosen.map((own) => softplus(dot(low, own.subarray(0, rank)) + shift));
  const x = series(xs, row, channel);
  const D = get('D').values[channel] ?? Number.NaN;
  const at = (values: readonly number[], step: number) => values[step] ?? Number.NaN;
  return {
    a: Array.from(logs, (log) => ({ re: -Math.exp(log), im: 0 })),
    dt: (step) => at(dts, step),
    drive: () => 0,
    jump: (step, mode) => at(dts, step) * (chosen[step]?.[rank + mode] ?? Number.NaN) * at(x, step),
    c: (step, mode) => ({ re: chosen[step]?.[rank + states + mode] ?? Number.NaN, im: 0 }),
    past: (step) => D * at(x, step),
    y: series(ys, row, channel),
  };
}

function softplus(z: number): number {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}
