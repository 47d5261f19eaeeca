import { HopfcoleError } from '../../files/error.ts';
import type { WideJson } from '../../files/json.ts';

/** A place in the JSON of a program, for reading it with errors that say where. */
export class Field {
  readonly value: WideJson | undefined;
  private readonly file: string;
  private readonly path: string;

  constructor(value: WideJson | undefined, file: string, path = '') {
    this.value = value;
    this.file = file;
    this.path = path;
  }

  fail(message: string): HopfcoleError {
    return new HopfcoleError(
      'BAD_PROGRAM',
      message,
      { file: this.file, at: this.path === '' ? undefined : this.path.slice(0, 300) },
      'Save the program again with torch.export.save',
    );
  }

  /** A member of an object. */
  at(name: string): Field {
    return new Field(this.object().get(name), this.file, this.path === '' ? name : `${this.path}.${name}`);
  }

  get given(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  object(): ReadonlyMap<string, WideJson> {
    if (this.value instanceof Map) return this.value;
    throw this.fail(`expected an object, got ${this.described()}`);
  }

  /** The members of an object, each with its place. */
  members(): [string, Field][] {
    return [...this.object().keys()].map((name) => [name, this.at(name)]);
  }

  items(): Field[] {
    if (!Array.isArray(this.value)) throw this.fail(`expected a list, got ${this.described()}`);
    return this.value.map((item: WideJson, index) => new Field(item, this.file, `${this.path}[${index}]`));
  }

  text(): string {
    if (typeof this.value === 'string') return this.value;
    throw this.fail(`expected a string, got ${this.described()}`);
  }

  integer(): number {
    if (typeof this.value === 'number' && Number.isInteger(this.value)) return this.value;
    throw this.fail(`expected an integer, got ${this.described()}`);
  }

  wideInteger(): number | bigint {
    return typeof this.value === 'bigint' ? this.value : this.integer();
  }

  boolean(): boolean {
    if (typeof this.value === 'boolean') return this.value;
    throw this.fail(`expected true or false, got ${this.described()}`);
  }

  /** A number, or one of the words that stand for what JSON has no number for. */
  float(): number {
    if (typeof this.value === 'number') return this.value;
    if (typeof this.value === 'bigint') return Number(this.value);
    if (this.value === 'Infinity' || this.value === '-Infinity' || this.value === 'NaN') return Number(this.value);
    throw this.fail(`expected a number, got ${this.described()}`);
  }

  /** The one member of a union: `{"as_int": 3}`. */
  union(): [string, Field] {
    const given = this.members().filter(([, field]) => field.value !== undefined);
    const [only] = given;
    if (only === undefined || given.length > 1) throw this.fail(`expected one member, got ${given.length}`);
    return only;
  }

  private described(): string {
    const { value } = this;
    if (value === undefined) return 'nothing';
    if (Array.isArray(value)) return `a list of ${value.length}`;
    if (value instanceof Map) return 'an object';
    return typeof value === 'string' ? `'${value.slice(0, 40)}'` : String(value);
  }
}
