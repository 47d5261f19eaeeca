import { HopfcoleError } from '../../files/error.ts';
import type { Json } from '../../files/json.ts';

/** A parsed config.json, whose fields are asked for by any of the names that they go by. A field that is null is not there. */
export class Config {
  private readonly fields: ReadonlyMap<string, Json>;
  private readonly file: string | undefined;

  /** @throws BAD_CONFIG where the document is no object. */
  constructor(document: Json, file?: string) {
    this.file = file;
    if (!(document instanceof Map)) throw this.misfit('the document', 'an object', document);
    this.fields = document;
  }

  private found(names: readonly string[]): readonly [name: string, value: Json] | undefined {
    for (const name of names) {
      const value = this.fields.get(name);
      if (value !== undefined && value !== null) return [name, value];
    }
    return undefined;
  }

  has(...names: readonly string[]): boolean {
    return this.found(names) !== undefined;
  }

  /** @throws BAD_CONFIG where it is no number that float32 holds. */
  number(...names: readonly string[]): number | undefined {
    const [name, value] = this.found(names) ?? [];
    if (name === undefined) return undefined;
    if (typeof value === 'number' && Number.isFinite(Math.fround(value))) return value;
    throw this.misfit(name, 'a number', value);
  }

  /** @throws BAD_CONFIG where it is no integer of at least 1. */
  size(...names: readonly string[]): number | undefined {
    const value = this.number(...names);
    if (value === undefined || (Number.isInteger(value) && value >= 1)) return value;
    throw this.misfit(this.found(names)?.[0] ?? '', 'an integer of at least 1', value);
  }

  /** @throws BAD_CONFIG where it is no text. */
  text(...names: readonly string[]): string | undefined {
    const [name, value] = this.found(names) ?? [];
    if (name === undefined || typeof value === 'string') return value as string | undefined;
    throw this.misfit(name, 'a text', value);
  }

  /** @throws BAD_CONFIG where it is neither true nor false. */
  flag(...names: readonly string[]): boolean | undefined {
    const [name, value] = this.found(names) ?? [];
    if (name === undefined || typeof value === 'boolean') return value as boolean | undefined;
    throw this.misfit(name, 'true or false', value);
  }

  /** The texts of a list. @throws BAD_CONFIG where it is another thing. */
  texts(...names: readonly string[]): readonly string[] {
    const [name, value] = this.found(names) ?? [];
    if (name === undefined) return [];
    if (Array.isArray(value) && value.every((own) => typeof own === 'string')) return value;
    throw this.misfit(name, 'a list of texts', value);
  }

  /** @throws BAD_CONFIG where it is no object. */
  object(...names: readonly string[]): Config | undefined {
    const [name, value] = this.found(names) ?? [];
    if (name === undefined || value === undefined) return undefined;
    if (value instanceof Map) return new Config(value, this.file);
    throw this.misfit(name, 'an object', value);
  }

  /** The error for a field that is not what it can be. */
  misfit(field: string, expected: string, got: unknown): HopfcoleError {
    const text = typeof got === 'object' && got !== null ? (Array.isArray(got) ? 'a list' : 'an object') : String(got);
    return new HopfcoleError(
      'BAD_CONFIG',
      `${field} of the configuration: expected ${expected}, got ${text.slice(0, 60)}`,
      { file: this.file, at: field },
      'Take the config.json that belongs to the checkpoint, or say --spec',
    );
  }
}
