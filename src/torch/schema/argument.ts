import type { Dim } from '../../graph/type.ts';
import { sizeOf } from './expression.ts';
import type { Field } from './fields.ts';
import type { Argument } from './program.ts';
import { dtypeOfScalarType } from './scalar-types.ts';

type ReadGraph = (field: Field, depth: number) => Extract<Argument, { kind: 'graph' }>['graph'];

/** One argument or result of a node: the union of PyTorch's export schema. `readGraph` reads the graph of a higher-order operator. */
export function readArgument(field: Field, readGraph: ReadGraph, depth: number): Argument {
  const [kind, value] = field.union();
  const reader = Object.hasOwn(readers, kind) ? readers[kind] : undefined;
  if (reader !== undefined) return reader(value);
  if (kind === 'as_graph') return { kind: 'graph', graph: readGraph(value.at('graph'), depth + 1) };
  if (kind === 'as_string_to_argument') {
    if (depth > deepest) throw value.fail('arguments are nested too deep');
    return {
      kind: 'record',
      members: new Map(value.members().map(([name, member]) => [name, readArgument(member, readGraph, depth + 1)])),
    };
  }
  throw field.fail(`'${kind.slice(0, 60)}' is no argument of the schema that is known`);
}

const deepest = 32;

const named = (value: Field): Argument => ({ kind: 'tensor', name: value.at('name').text() });
const list =
  (read: (item: Field) => Argument) =>
  (value: Field): Argument => ({
    kind: 'list',
    items: value.items().map(read),
  });
const integer = (value: Field): Argument => ({ kind: 'constant', type: 'int', value: value.wideInteger() });
const float = (value: Field): Argument => ({ kind: 'constant', type: 'float', value: value.float() });
const truth = (value: Field): Argument => ({ kind: 'constant', type: 'bool', value: value.boolean() });
const text = (value: Field): Argument => ({ kind: 'constant', type: 'string', value: value.text() });
const none: Argument = { kind: 'none' };

/** `{"as_name": "s"}` or a number. */
function symbolic(value: Field): Argument {
  const [kind, inner] = value.union();
  switch (kind) {
    case 'as_name':
      return { kind: 'symbol', name: inner.text() };
    case 'as_int':
      return integer(inner);
    case 'as_float':
      return float(inner);
    case 'as_bool':
      return truth(inner);
    default:
      throw value.fail(`'${kind.slice(0, 60)}' is no symbolic number`);
  }
}

function optionalTensor(value: Field): Argument {
  const [kind, inner] = value.union();
  if (kind === 'as_none') return none;
  if (kind === 'as_tensor') return named(inner);
  throw value.fail(`'${kind.slice(0, 60)}' is no optional tensor`);
}

const readers: Readonly<Record<string, (value: Field) => Argument>> = {
  as_none: () => none,
  as_tensor: named,
  as_tensors: list(named),
  as_nested_tensors: list(list(named)),
  as_optional_tensor: optionalTensor,
  as_optional_tensors: list(optionalTensor),
  as_int: integer,
  as_ints: list(integer),
  as_int_lists: list(list(integer)),
  as_float: float,
  as_floats: list(float),
  as_float_lists: list(list(float)),
  as_bool: truth,
  as_bools: list(truth),
  as_string: text,
  as_strings: list(text),
  as_sym_int: symbolic,
  as_sym_ints: list(symbolic),
  as_sym_float: symbolic,
  as_sym_floats: list(symbolic),
  as_sym_bool: symbolic,
  as_sym_bools: list(symbolic),
  as_scalar_type: (value) => ({ kind: 'dtype', dtype: dtypeOfScalarType(value.integer()) }),
  as_memory_format: (value) => ({ kind: 'memory-format', code: value.integer() }),
  as_layout: (value) => ({ kind: 'layout', code: value.integer() }),
  as_device: (value) => ({ kind: 'device', device: value.at('type').text() }),
  as_custom_obj: (value) => ({ kind: 'object', name: value.at('name').text(), type: value.at('class_fqn').text() }),
  as_operator: (value) => ({ kind: 'operator', name: value.text() }),
  as_token: () => ({ kind: 'token' }),
  as_complex: (value) => ({
    kind: 'constant',
    type: 'complex',
    value: { real: value.at('real').float(), imaginary: value.at('imag').float() },
  }),
};

/** A size: a number, or an expression of symbols. */
export function readSize(field: Field): Dim {
  const [kind, value] = field.union();
  if (kind === 'as_int') return value.integer();
  if (kind === 'as_expr') return sizeOf(value.at('expr_str').text());
  throw field.fail(`'${kind.slice(0, 60)}' is no size`);
}
