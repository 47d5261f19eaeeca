import { HopfcoleError } from '../files/error.ts';
import { missing } from './pickle/rebuild.ts';
import { isDict, isObject, leafOf, type PyRecord, type PyValue, tupleOf } from './pickle/value.ts';
import { Places } from './places.ts';

export type Members = readonly (readonly [string, PyValue])[];

type Entries = ReadonlyMap<PyValue, PyValue>;

const deepest = 256;
const nothing: Entries = new Map();

/** `__dict__` of a record, as its pickle gives it; a class with slots gives a pair. */
export function attributesOf(record: PyRecord): ReadonlyMap<PyValue, PyValue> {
  const state = tupleOf(record.state)?.[0] ?? record.state;
  return isDict(state) ? state.entries : new Map();
}

/** Whether a record is an nn.Module, whatever its class: it has what every module has. */
export function isModule(value: PyValue | undefined): boolean {
  if (!isObject(value) || value.kind !== 'record') return false;
  const attributes = attributesOf(value);
  return ['_parameters', '_buffers', '_modules'].every((name) => entriesOf(attributes.get(name)) !== undefined);
}

/**
 * What `state_dict()` of a pickled module gives, in its order: parameters, persistent buffers, then the modules within, each under its path.
 * What a class of its own adds in Python (extra state, hooks) is not known.
 * @throws BAD_CHECKPOINT where modules contain one another without end.
 */
export function moduleState(module: PyRecord, file: string): Members {
  const members: [string, PyValue][] = [];
  const places = new Places();
  const visit = (record: PyRecord, path: string, depth: number) => {
    const [parameters, buffers, modules] = ['_parameters', '_buffers', '_modules'].map(
      (name) => entriesOf(attributesOf(record).get(name)) ?? nothing,
    ) as [Entries, Entries, Entries];
    if (depth > deepest || ![parameters, buffers, modules].every((part) => places.enter(part, part.size)))
      throw new HopfcoleError('BAD_CHECKPOINT', 'modules within modules, beyond all measure', { file });
    const attributes = attributesOf(record);
    const fleeting = attributes.get('_non_persistent_buffers_set');
    const isFleeting = (name: PyValue) => isObject(fleeting) && fleeting.kind === 'set' && fleeting.items.has(name);
    for (const [name, value] of parameters)
      if (typeof name === 'string' && value !== null) members.push([`${path}${name}`, tensorIn(value)]);
    for (const [name, value] of buffers)
      if (typeof name === 'string' && value !== null && !isFleeting(name))
        members.push([`${path}${name}`, tensorIn(value)]);
    for (const [name, value] of attributes)
      if (typeof name === 'string' && isPacked(value))
        members.push([`${path}${name}`, missing('a tensor in the packed weights of a quantised layer')]);
    for (const [name, value] of modules)
      if (typeof name !== 'string' || value === null) continue;
      else if (isObject(value) && value.kind === 'record' && isModule(value))
        visit(value, `${path}${name}.`, depth + 1);
      // What is lost with it is not known: quantised convolutions pickle a tuple of their own.
      else
        members.push([`${path}${name}`, missing(`the tensors of ${classOf(value)}, which pickles itself its own way`)]);
  };
  visit(module, '', 0);
  return members;
}

/** Objects of C++ that quantised layers keep their weights in. */
function isPacked(value: PyValue): boolean {
  return isObject(value) && value.kind === 'record' && value.name === 'torch.ScriptObject';
}

function tensorIn(value: PyValue): PyValue {
  if (leafOf(value) !== undefined) return value;
  return missing(`a tensor of ${classOf(value)}`);
}

function classOf(value: PyValue): string {
  return isObject(value) && value.kind === 'record'
    ? `the class ${JSON.stringify(value.name.slice(0, 100))}`
    : 'no class';
}

function entriesOf(value: PyValue | undefined): Entries | undefined {
  return isObject(value) && (value.kind === 'dict' || value.kind === 'record') ? value.entries : undefined;
}
