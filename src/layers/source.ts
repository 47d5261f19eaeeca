import type { DType } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { nearest } from '../files/nearest.ts';
import { type AnyTensor, elementCount, fromNumbers, isStored } from '../files/tensor.ts';
import { type Initial, seeded } from './initial.ts';

/** Where the parameters of a network come from: drawn afresh, or a checkpoint. */
export interface ParameterSource {
  /** Whether sizes that nobody gave come from what is stored. */
  readonly stored: boolean;
  /** The shape under that name, where something is stored. */
  shapeOf(name: string): readonly number[] | undefined;
  /** The tensor to use under that name. What does not fit is noted, and `finish` throws it with everything else that does not. */
  take(name: string, shape: readonly number[], dtype: DType, initial: Initial): AnyTensor;
  /** A name that stands for a size that nobody gave and whose weight is missing: noted. */
  lack(name: string): void;
  /** A name that PyTorch stores and that no computation needs (a counter, a mask, a table of constants). */
  ignore(name: string): void;
  /** Where a parameter is stored; undefined for a fresh one. */
  placeOf(name: string): Place | undefined;
  /** Further names of the checkpoint for weights that were taken (a head tied to its embedding), and the names they were taken by. */
  aliases(): ReadonlyMap<string, string>;
  /** @throws MISSING_PARAMETERS or SHAPE_MISMATCH with everything that does not fit. */
  finish(): Taken;
}

/** Where a parameter is stored. */
interface Place {
  /** Its name in the checkpoint. */
  readonly stored: string;
  /** What it is called in the model. */
  readonly called: string;
  /** The owner of the bytes and the part of it, by which tied weights are known. */
  readonly key: object;
  readonly part: string;
}

/** What became of the names of a checkpoint. */
export interface Taken {
  readonly used: readonly string[];
  readonly unused: readonly string[];
  /** Not in the checkpoint, and therefore freshly drawn: only where `partial` was said. */
  readonly missing: readonly string[];
}

/** Fresh parameters: the same seed gives the same numbers everywhere. */
export function freshSource(seed: number): ParameterSource {
  return {
    stored: false,
    shapeOf: () => undefined,
    take: (name, shape, dtype, initial) => drawn(seed, name, shape, dtype, initial),
    lack: () => undefined,
    ignore: () => undefined,
    placeOf: () => undefined,
    aliases: () => new Map(),
    finish: () => ({ used: [], unused: [], missing: [] }),
  };
}

/** Entries of one fresh parameter: they are drawn in memory. */
const mostDrawn = 2 ** 28;

function drawn(seed: number, name: string, shape: readonly number[], dtype: DType, initial: Initial): AnyTensor {
  const count = elementCount(shape);
  if (count > mostDrawn)
    throw new HopfcoleError(
      'BAD_ARGUMENT',
      `the parameter '${name}' of shape [${shape.join(', ')}] is too large to be drawn afresh: more than ${mostDrawn} numbers`,
      { argument: name },
      'Import it from a checkpoint',
    );
  const values = new Float64Array(count);
  const draw = initial(seeded(seed, name));
  for (let i = 0; i < values.length; i++) values[i] = draw(i);
  return fromNumbers(dtype, shape, values);
}

export interface CheckpointSourceOptions {
  /** Missing parameters are drawn afresh. */
  readonly partial?: boolean | undefined;
  /** The specification's file, for errors. */
  readonly file?: string | undefined;
  /** Names of the checkpoint by the names that the network uses; a `*` at the end of both stands for the rest. */
  readonly names?: Readonly<Record<string, string>> | undefined;
  /** Parameters that `names` maps keep the checkpoint's names in the model, too. */
  readonly keepNames?: boolean | undefined;
}

/** More modules around a network than this is none that anyone writes. */
const deepestWrapping = 8;

/**
 * A checkpoint's tensors, which are not copied. A prefix that stands before every name (`module.`, `_orig_mod.`, `model.`, `net.`) is
 * seen through where names are found only so.
 */
export function checkpointSource(
  tensors: ReadonlyMap<string, AnyTensor>,
  options: CheckpointSourceOptions = {},
): ParameterSource {
  const prefixes = prefixesOf(tensors);
  let settled: string | undefined;
  const wanted = new Map<string, string>();
  const missing = new Set<string>();
  const misshapen = new Map<string, string>();
  const ignored = new Set<string>();
  const taken = new Set<string>();
  let guessing = false;
  const storedName = (name: string): string | undefined => {
    const known = wanted.get(name);
    if (known !== undefined) return known;
    const renamed = rename(name, options.names);
    const prefix = settled ?? prefixes.find((own) => tensors.has(own + renamed));
    if (prefix === undefined || !tensors.has(prefix + renamed)) return undefined;
    settled = prefix;
    wanted.set(name, prefix + renamed);
    return prefix + renamed;
  };
  const stored = (name: string): AnyTensor | undefined => tensors.get(storedName(name) ?? '');
  const places = firstOfPlace(tensors);
  return {
    stored: true,
    shapeOf: (name) => stored(name)?.shape,
    take(name, shape, dtype, initial) {
      const tensor = stored(name);
      if (tensor === undefined) {
        missing.add(name);
        return drawn(0, name, shape, dtype, initial);
      }
      taken.add(name);
      if (sameShape(tensor.shape, shape)) return tensor;
      // A size that was guessed for want of a weight says nothing of the others.
      if (!guessing || !shape.includes(1))
        misshapen.set(name, `${name} expected [${shape.join(', ')}], got [${tensor.shape.join(', ')}]`);
      return fromNumbers(dtype, shape, new Float64Array(elementCount(shape)));
    },
    lack(name) {
      guessing = true;
      missing.add(name);
    },
    ignore(name) {
      const own = storedName(name);
      if (own !== undefined) ignored.add(own);
    },
    placeOf(name) {
      const own = storedName(name);
      const tensor = stored(name);
      if (own === undefined || tensor === undefined) return undefined;
      const { owner, part } = ownerOf(tensor);
      const called = options.keepNames === true ? own.slice(settled?.length ?? 0) : name;
      return { stored: own, called, key: owner, part };
    },
    aliases() {
      const holders = new Map([...taken].map((name) => [places.get(wanted.get(name) ?? name), name]));
      const own = new Set(wanted.values());
      const found = new Map<string, string>();
      for (const [name, tensor] of tensors) {
        const holder = holders.get(places.get(name));
        if (holder === undefined || own.has(name) || ignored.has(name)) continue;
        if (!sameShape(tensor.shape, stored(holder)?.shape ?? [])) continue;
        found.set(name.slice(settled?.length ?? 0), holder);
      }
      return found;
    },
    finish() {
      if ((missing.size > 0 && options.partial !== true) || misshapen.size > 0 || guessing)
        throw misfit([...missing], [...misshapen.values()], tensors, wanted, options);
      const used = [...taken].map((name) => wanted.get(name) ?? name);
      const heldPlaces = new Set(used.map((name) => places.get(name)));
      const unused = [...tensors.keys()].filter((name) => !heldPlaces.has(places.get(name)) && !ignored.has(name));
      return { used, unused, missing: [...missing] };
    },
  };
}

function misfit(
  missing: readonly string[],
  misshapen: readonly string[],
  tensors: ReadonlyMap<string, AnyTensor>,
  wanted: ReadonlyMap<string, string>,
  options: CheckpointSourceOptions,
): HopfcoleError {
  const names = [...tensors.keys()];
  const taken = new Set(wanted.values());
  const unused = names.filter((name) => !taken.has(name));
  const described = missing.map((name) => {
    const near = nearest(name, unused);
    return near === undefined ? name : `${name} (${near}?)`;
  });
  const parts = [missing.length === 0 ? '' : `missing: ${described.join(', ')}`, ...misshapen];
  if (unused.length > 0 && missing.length > 0)
    parts.push(`unused: ${unused.slice(0, 20).join(', ')}${unused.length > 20 ? ', ...' : ''}`);
  const bias = missing.some((name) => name.endsWith('.bias')) ? '; a layer without a bias says "bias": false' : '';
  return new HopfcoleError(
    missing.length > 0 ? 'MISSING_PARAMETERS' : 'SHAPE_MISMATCH',
    `the checkpoint does not fit the specification: ${parts.filter((part) => part !== '').join('; ')}`,
    { file: options.file },
    `The checkpoint has ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', ...' : ''}${bias}`,
  );
}

/** '' and what stands before every name, one part more at a time. */
function prefixesOf(tensors: ReadonlyMap<string, AnyTensor>): string[] {
  const prefixes = [''];
  let names = [...tensors.keys()];
  for (let depth = 0; depth < deepestWrapping; depth++) {
    const first = names[0];
    const part = first?.slice(0, first.indexOf('.') + 1);
    if (part === undefined || part === '' || !names.every((name) => name.startsWith(part))) break;
    prefixes.push((prefixes.at(-1) ?? '') + part);
    names = names.map((name) => name.slice(part.length));
  }
  return prefixes;
}

function rename(name: string, names: Readonly<Record<string, string>> | undefined): string {
  if (names === undefined) return name;
  if (Object.hasOwn(names, name)) return names[name] ?? name;
  for (const [from, to] of Object.entries(names))
    if (from.endsWith('*') && to.endsWith('*') && name.startsWith(from.slice(0, -1)))
      return to.slice(0, -1) + name.slice(from.length - 1);
  return name;
}

/** For every tensor the first that has its bytes: tied weights stand under several names in one place, and using one is using all. */
function firstOfPlace(tensors: ReadonlyMap<string, AnyTensor>): Map<string, string> {
  const places = new Map<object, Map<string, string>>();
  const firsts = new Map<string, string>();
  for (const [name, tensor] of tensors) {
    const { owner, part } = ownerOf(tensor);
    const names = places.get(owner) ?? new Map<string, string>();
    const first = names.get(part) ?? name;
    places.set(owner, names.set(part, first));
    firsts.set(name, first);
  }
  return firsts;
}

function ownerOf(tensor: AnyTensor): { readonly owner: object; readonly part: string } {
  const stored = isStored(tensor);
  const length = stored ? tensor.range.length : tensor.bytes.byteLength;
  return {
    owner: length === 0 ? tensor : stored ? tensor.range.source : tensor.bytes,
    part: stored ? `${tensor.range.offset}:${length}:${tensor.dtype}` : tensor.dtype,
  };
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}
