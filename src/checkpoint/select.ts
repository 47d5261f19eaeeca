import { HopfcoleError } from '../files/error.ts';
import type { AnyTensor } from '../files/tensor.ts';
import type { Contents } from './contents.ts';
import type { StateOptions } from './state.ts';

/** @throws NO_TENSORS where a dict was named and the format holds only one. */
export function refuseSelect({ select }: StateOptions, file: string): void {
  if (select === undefined) return;
  throw new HopfcoleError(
    'NO_TENSORS',
    `it holds no dict ${JSON.stringify(select.slice(0, 200))}: its format has no dicts within another`,
    { file },
    'Leave --key out; --prefix keeps the names that begin with a prefix',
  );
}

/**
 * Only the tensors whose names begin with `prefix`, without it; a prefix that stands for a path (`model` for `model.`) takes its dot along.
 * Remarks on tensors that are left out are left out too.
 * @throws UNKNOWN_PREFIX listing the prefixes there are.
 */
export function withPrefix(contents: Contents, prefix: string, file: string): Contents {
  const names = [...contents.tensors.keys()];
  const path = prefix.endsWith('.') ? prefix : `${prefix}.`;
  const full = names.some((name) => name.startsWith(path)) ? path : prefix;
  const within = (name: string) => name.startsWith(full) && name.length > full.length;
  if (!names.some(within)) throw unknownPrefix(prefix, names, file);
  const tensors = new Map<string, AnyTensor>();
  for (const [name, tensor] of contents.tensors) if (within(name)) tensors.set(name.slice(full.length), tensor);
  const changed = (contents.changed ?? [])
    .filter(({ name }) => within(name))
    .map(({ name, why }) => ({ name: name.slice(full.length), why }));
  // What safetensors notes of tied tensors are names as well.
  const metadata: Contents['metadata'] = new Map();
  for (const [key, value] of contents.metadata)
    if (typeof value === 'string' && contents.tensors.has(value) && within(key) && within(value))
      metadata.set(key.slice(full.length), value.slice(full.length));
    else metadata.set(key, value);
  return { ...contents, tensors, changed, metadata };
}

function unknownPrefix(prefix: string, names: readonly string[], file: string): HopfcoleError {
  const there = new Set<string>();
  for (const name of names) {
    const dot = name.indexOf('.');
    if (dot >= 0) there.add(name.slice(0, dot + 1));
  }
  const list = [...there].slice(0, 20).map((item) => JSON.stringify(item.slice(0, 100)));
  return new HopfcoleError(
    'UNKNOWN_PREFIX',
    `no name begins with ${JSON.stringify(prefix.slice(0, 200))}`,
    { file },
    there.size === 0
      ? 'Its names have no prefixes'
      : `Its names begin with ${list.join(', ')}${there.size > 20 ? ', ...' : ''}`,
  );
}
