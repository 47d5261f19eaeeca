/** A state of every layer at once: its field is evaluated for all layers in one run of the graph. */
export type States = readonly Float64Array[];

/** F of every layer at these states. */
export type Field = (states: States) => Promise<States>;

export type Method = 'euler' | 'midpoint' | 'rk4';

export const orders: Readonly<Record<Method, number>> = { euler: 1, midpoint: 2, rk4: 4 };

/** x after time h of dx/dt = F(x), in m steps of a method; h by layer. */
export async function integrate(
  method: Method,
  x: States,
  h: readonly number[],
  m: number,
  field: Field,
): Promise<States> {
  let state = x;
  const dt = h.map((own) => own / m);
  for (let step = 0; step < m; step++) state = await stepped[method](state, dt, field);
  return state;
}

/** a + factor dt b, layer by layer. */
function plus(a: States, b: States, dt: readonly number[], factor = 1): States {
  return a.map((own, layer) =>
    own.map((value, i) => value + factor * (dt[layer] ?? 0) * (b[layer]?.[i] ?? Number.NaN)),
  );
}

const stepped: Readonly<Record<Method, (x: States, dt: readonly number[], field: Field) => Promise<States>>> = {
  euler: async (x, dt, field) => plus(x, await field(x), dt),
  midpoint: async (x, dt, field) => plus(x, await field(plus(x, await field(x), dt, 0.5)), dt),
  rk4: async (x, dt, field) => {
    const k1 = await field(x);
    const k2 = await field(plus(x, k1, dt, 0.5));
    const k3 = await field(plus(x, k2, dt, 0.5));
    const k4 = await field(plus(x, k3, dt));
    return plus(plus(plus(plus(x, k1, dt, 1 / 6), k2, dt, 1 / 3), k3, dt, 1 / 3), k4, dt, 1 / 6);
  },
};
