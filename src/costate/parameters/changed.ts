/** A parameter whose values or uses in the file are not those its author's framework gave its name. */
export interface Changed {
  readonly name: string;
  readonly why: string;
}
