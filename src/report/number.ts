/** Numbers as a reader wants them: a true minus sign, few digits, and words for what is not finite. */

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'not a number';
  if (value === Number.POSITIVE_INFINITY) return '∞';
  if (value === Number.NEGATIVE_INFINITY) return '−∞';
  return undefined;
}

/** `digits` significant digits; powers of ten below 1e-3 and from 1e6 on. */
export function number(value: number, digits = 3): string {
  const word = special(value);
  if (word !== undefined) return word;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e6) {
    const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
    return minus(value.toFixed(Math.min(places, 20)));
  }
  const [mantissa = '', exponent = ''] = value.toExponential(Math.max(0, digits - 1)).split('e');
  return `${minus(mantissa)}×10${superscript(Number(exponent))}`;
}

/** A share as a percentage: 0.0312 is `3.1 %`. */
export function percent(value: number, places = 1): string {
  const word = special(value);
  if (word !== undefined) return word;
  if (value > 0 && value * 100 < 0.5 * 10 ** -places) return `< ${(10 ** -places).toFixed(places)} %`;
  return `${minus((value * 100).toFixed(places))} %`;
}

/** A number on an axis: no padding, no power of ten where a plain number is as short. */
export function tick(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) return minus(String(Number(value.toPrecision(6))));
  return number(value, 1);
}

function minus(text: string): string {
  return text.startsWith('-') ? `−${text.slice(1)}` : text;
}

function superscript(exponent: number): string {
  return String(exponent).replace(/./g, (sign) => (sign === '-' ? '⁻' : ('⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(sign)] ?? sign)));
}
