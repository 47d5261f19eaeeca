import { type Json, parseJson } from '../../files/json.ts';

/** Deeper trees than this are no outputs of a model. */
const deepest = 32;
const most = 100_000;

/**
 * The names of a program's results by the keys of the dicts and the fields of the named tuples they stand in (`logits`, `states_0_1`); undefined for each that has
 * none, and undefined as a whole where the treespec is not understood or does not have `count` leaves.
 */
export function outputPaths(
  treespec: string | undefined,
  count: number,
  fields: FieldNames,
): readonly (string | undefined)[] | undefined {
  if (treespec === undefined) return undefined;
  let spec: Json;
  try {
    spec = parseJson(treespec, 'treespec');
  } catch {
    return undefined;
  }
  const [version, root] = Array.isArray(spec) ? (spec as readonly Json[]) : [];
  if (version !== 1 || root === undefined) return undefined;
  const leaves: (string | undefined)[] = [];
  if (!walk(root, { path: [], named: false, depth: 0 }, leaves, fields) || leaves.length !== count) return undefined;
  return leaves;
}

/** Field names of named tuples by type. */
export type FieldNames = ReadonlyMap<string, readonly string[]>;

interface Place {
  readonly path: readonly string[];
  /** Whether a key or field is on the way. */
  readonly named: boolean;
  readonly depth: number;
}

/** Collects the leaves' names; false where a node is of no kind that is known. */
function walk(node: Json, place: Place, leaves: (string | undefined)[], fields: FieldNames): boolean {
  const { path, named, depth } = place;
  if (depth > deepest || leaves.length > most || !(node instanceof Map)) return false;
  const children = node.get('children_spec');
  if (!Array.isArray(children)) return false;
  if (node.get('type') === null) {
    leaves.push(named ? path.join('_') : undefined);
    return true;
  }
  const keys = keysOf(node, fields);
  return children.every((child: Json, index) => {
    const key = keys?.[index];
    const below = { path: [...path, key ?? String(index)], named: named || key !== undefined, depth: depth + 1 };
    return walk(child, below, leaves, fields);
  });
}

/** The keys of a dict or the fields of a named tuple, in order; undefined for lists and tuples. */
function keysOf(node: ReadonlyMap<string, Json>, fields: FieldNames): readonly string[] | undefined {
  const context = node.get('context');
  if (typeof context !== 'string') return undefined;
  if (node.get('type') === 'collections.namedtuple') return fields.get(context);
  let parsed: Json;
  try {
    parsed = parseJson(context, 'treespec');
  } catch {
    return undefined;
  }
  const found = listOf(parsed);
  if (found?.every((key) => typeof key === 'string' || typeof key === 'number') !== true) return undefined;
  return found.map((key) => String(key).replace(/[^A-Za-z0-9_.-]/g, '_'));
}

/** `["a", "b"]` of a dict; `[["a", "b"], ["type"]]` of a dataclass or a dict of a library; `{"default_factory_..": .., "dict_context": [..]}` of a defaultdict. */
function listOf(context: Json): readonly Json[] | undefined {
  if (context instanceof Map) {
    const inner = context.get('dict_context');
    return Array.isArray(inner) ? (inner as readonly Json[]) : undefined;
  }
  if (!Array.isArray(context)) return undefined;
  const [first] = context as readonly Json[];
  return Array.isArray(first) ? (first as readonly Json[]) : (context as readonly Json[]);
}
