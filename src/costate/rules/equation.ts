/** An equation of Einsum with every axis of every operand as a letter. */
export interface Equation {
  readonly operands: readonly (readonly string[])[];
  readonly output: readonly string[];
  /** Letters that stand for axes of an ellipsis, along which operands broadcast. */
  readonly broadcast: readonly string[];
}

/** What an axis can be called. */
export const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'];

/**
 * The equation of operands of these ranks. An ellipsis becomes letters, aligned at its end; an output that is left out has the ellipsis,
 * then the letters that occur once, in alphabetical order (Einsum, version 12).
 */
export function parsed(text: string, ranks: readonly number[]): Equation {
  const [left = '', right] = text.replaceAll(/\s/g, '').split('->');
  const written = left.split(',');
  const used = new Set([...left].filter((character) => /[A-Za-z]/.test(character)));
  const lengths = written.map((term, index) => (term.includes('...') ? (ranks[index] ?? 0) - (term.length - 3) : 0));
  const longest = Math.max(0, ...lengths);
  const dots = letters.filter((letter) => !used.has(letter)).slice(0, longest);
  const lettersOf = (term: string, length: number): string[] => {
    const at = term.indexOf('...');
    if (at < 0) return [...term];
    return [...term.slice(0, at), ...dots.slice(longest - length), ...term.slice(at + 3)];
  };
  const operands = written.map((term, index) => lettersOf(term, lengths[index] ?? 0));
  const output = right === undefined ? implied(written, dots) : lettersOf(right, longest);
  return { operands, output, broadcast: dots };
}

function implied(written: readonly string[], dots: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const letter of written.join('').replaceAll('...', '')) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  const once = [...counts].flatMap(([letter, count]) => (count === 1 ? [letter] : []));
  return [...dots, ...once.sort()];
}

/** An equation as text: the letters that broadcast as an ellipsis where each term that has one of them has them all, side by side. */
export function written(
  operands: readonly (readonly string[])[],
  output: readonly string[],
  broadcast: readonly string[],
): string {
  const dots = broadcast.join('');
  const texts = [...operands, output].map((term) => term.join(''));
  const whole =
    dots !== '' && texts.every((text) => text.includes(dots) || ![...dots].some((one) => text.includes(one)));
  const [inputs, last = ''] = [texts.slice(0, -1), texts.at(-1)];
  if (!whole || !last.includes(dots)) return `${inputs.join()}->${last}`;
  return `${inputs.join().replaceAll(dots, '...')}->${last.replace(dots, '...')}`;
}
