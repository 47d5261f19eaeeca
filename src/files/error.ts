/** Where an error is: any of these may be unknown. */
export interface Where {
  readonly file?: string | undefined;
  readonly node?: string | undefined;
  readonly operator?: string | undefined;
  readonly argument?: string | undefined;
  readonly tensor?: string | undefined;
  /** Byte offset in the file, or a JSON path, or whatever else pins the place down. */
  readonly at?: string | number | undefined;
}

/**
 * The one error type a user of hopfcole sees: what was wrong, where, and how to mend it.
 * `code` is a stable upper-snake-case word (docs/errors.md lists them); the message holds what was expected and what was got.
 */
export class HopfcoleError extends Error {
  readonly code: string;
  readonly where: Where;
  readonly hint: string;

  constructor(code: string, message: string, where: Where = {}, hint = '', options?: ErrorOptions) {
    super(clipped(message, longestMessage), options);
    this.name = 'HopfcoleError';
    this.code = code;
    this.where = where;
    this.hint = hint;
  }

  /** The same error with more of its place known; what is known already stays. */
  at(where: Where): HopfcoleError {
    return new HopfcoleError(this.code, this.message, { ...where, ...definedOnly(this.where) }, this.hint, {
      cause: this.cause,
    });
  }

  /** `WHAT (WHERE). HOW TO MEND.` on one line, as the command line prints it. */
  line(): string {
    const place = describeWhere(this.where);
    const hint = this.hint === '' ? '' : ` ${sentence(this.hint)}`;
    const what = place === '' ? this.message : `${this.message} (${place})`;
    return printable(`${sentence(what)}${hint}`.replace(/\s*[\r\n]+\s*/g, ' '));
  }
}

/** Names come from files and may be of any length: an error stays readable. Lists of what is missing or not supported are long on purpose. */
const longestMessage = 1500;
const longestName = 300;

function clipped(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}...`;
}

/** Control characters (a terminal would obey them) as escapes. */
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A place as text: `model.onnx, node 'gemm_0', operator Gemm`. */
export function describeWhere(where: Where): string {
  const parts: string[] = [];
  if (where.file !== undefined) parts.push(clipped(where.file, longestMessage));
  if (where.node !== undefined) parts.push(`node '${clipped(where.node, longestName)}'`);
  if (where.operator !== undefined) parts.push(`operator ${clipped(where.operator, longestName)}`);
  if (where.argument !== undefined) parts.push(`argument '${clipped(where.argument, longestName)}'`);
  if (where.tensor !== undefined) parts.push(`tensor '${clipped(where.tensor, longestName)}'`);
  if (where.at !== undefined)
    parts.push(typeof where.at === 'number' ? `byte ${where.at}` : clipped(where.at, longestName));
  return parts.join(', ');
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function definedOnly(where: Where): Where {
  return Object.fromEntries(Object.entries(where).filter(([, value]) => value !== undefined));
}
