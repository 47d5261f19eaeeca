/** A complex number. */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

/** h after a time dt of dh/dt = a h + u, with u held: what zero-order hold claims to be exact. */
export type HeldStep = (h: Complex, a: Complex, u: Complex, dt: number) => Complex;

/** The co-state before the step from that after it. */
export type HeldCostate = (p: Complex, a: Complex, dt: number) => Complex;

/** How far |a| dt may go in one substep of RK4: the error of a step is then about 1e-11. */
const reach = 0.02;
const most = 8192;

/** By RK4 in small substeps: the equation itself, and no exponential. */
export const heldStep: HeldStep = (h, a, u, dt) => {
  const count = Math.min(most, Math.max(8, Math.ceil((Math.hypot(a.re, a.im) * Math.abs(dt)) / reach)));
  const step = dt / count;
  let { re, im } = h;
  for (let i = 0; i < count; i++) {
    const k1 = slope(re, im, a, u);
    const k2 = slope(re + (step / 2) * k1.re, im + (step / 2) * k1.im, a, u);
    const k3 = slope(re + (step / 2) * k2.re, im + (step / 2) * k2.im, a, u);
    const k4 = slope(re + step * k3.re, im + step * k3.im, a, u);
    re += (step / 6) * (k1.re + 2 * k2.re + 2 * k3.re + k4.re);
    im += (step / 6) * (k1.im + 2 * k2.im + 2 * k3.im + k4.im);
  }
  return { re, im };
};

/** Abar' p: of the real map that multiplies by exp(a dt), the transpose multiplies by its conjugate. */
export const heldCostate: HeldCostate = (p, a, dt) => {
  const size = Math.exp(a.re * dt);
  const [cos, sin] = [size * Math.cos(a.im * dt), size * Math.sin(a.im * dt)];
  return { re: cos * p.re + sin * p.im, im: cos * p.im - sin * p.re };
};

function slope(re: number, im: number, a: Complex, u: Complex): Complex {
  return { re: a.re * re - a.im * im + u.re, im: a.re * im + a.im * re + u.im };
}
