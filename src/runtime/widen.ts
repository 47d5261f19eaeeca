import { nameOf } from './header.ts';
import { concat, type Field, field, fields, numberField, type RandomBytes, textOf } from './wire.ts';

const float32 = 1;
const bfloat16 = 16;
const suffix = '::bfloat16';

/**
 * The same model with its arithmetic in float32 in place of bfloat16, for providers that have no bfloat16 kernels: every declared
 * type becomes float32, and what is made as bfloat16 (weights, constants, Cast) is made so under `name::bfloat16`, then cast.
 * Weights stay as they are in the file; casts to bfloat16 still round.
 */
export function widenModel(model: RandomBytes): Uint8Array {
  return concat(
    remake(model, undefined, (part) => {
      if (part.number === 7) return field(7, ...graph(model, part));
      if (part.number !== 25) return undefined;
      // A function: its nodes and the types it declares.
      const body = remake(model, part, (inner) => {
        if (inner.number === 7) return node(model, inner);
        return inner.number === 12 ? declared(model, inner) : undefined;
      });
      return field(25, ...body);
    }),
  );
}

function graph(model: RandomBytes, part: Field): Uint8Array[] {
  const stored = new Set<string>();
  for (const inner of fields(model, part.start, part.end))
    if (inner.number === 5 && inner.wireType === 2 && isBfloat16(model, inner)) stored.add(tensorName(model, inner));
  const casts = [...stored].map((name) => cast(`${name}${suffix}`, name));
  const rest = remake(model, part, (inner) => {
    if (inner.number === 1) return node(model, inner);
    if (inner.number === 5 && stored.has(tensorName(model, inner))) return renamed(model, inner, 8);
    // A default that is also an input keeps its type under its new name.
    if (inner.number === 11 && stored.has(nameOf(model, inner))) return renamed(model, inner, 1);
    return inner.number >= 11 && inner.number <= 13 ? declared(model, inner) : undefined;
  });
  return [...casts, ...rest];
}

/** A node with its subgraphs widened, and a Cast after it where it makes bfloat16 values by an attribute. */
function node(model: RandomBytes, part: Field): Uint8Array {
  const outputs: string[] = [];
  let makes = false;
  for (const inner of fields(model, part.start, part.end)) {
    if (inner.wireType !== 2) continue;
    if (inner.number === 2) outputs.push(textOf(model, inner));
    if (inner.number === 5) makes ||= makesBfloat16(model, inner);
  }
  const [output = ''] = outputs;
  const changed = remake(model, part, (inner) => {
    if (inner.number === 2 && makes && textOf(model, inner) === output) return field(2, `${output}${suffix}`);
    if (inner.number !== 5) return undefined;
    const attribute = remake(model, inner, (value) => {
      if (value.number === 6 || value.number === 11) return field(value.number, ...graph(model, value));
      return value.number === 14 || value.number === 15 ? field(value.number, ...type(model, value)) : undefined;
    });
    return field(5, ...attribute);
  });
  const own = field(part.number, ...changed);
  return makes ? concat([own, field(part.number, ...castFields(`${output}${suffix}`, output))]) : own;
}

/** Cast's `to`, `dtype` of generators, and tensors that are constants. */
function makesBfloat16(model: RandomBytes, attribute: Field): boolean {
  const name = nameOf(model, attribute);
  for (const inner of fields(model, attribute.start, attribute.end)) {
    if (inner.number === 3 && inner.wireType === 0 && inner.value === bfloat16 && (name === 'to' || name === 'dtype'))
      return true;
    if (inner.number === 5 && inner.wireType === 2 && isBfloat16(model, inner)) return true;
  }
  return false;
}

/** A ValueInfo with its type widened. */
function declared(model: RandomBytes, part: Field): Uint8Array {
  const changed = remake(model, part, (inner) => (inner.number === 2 ? field(2, ...type(model, inner)) : undefined));
  return field(part.number, ...changed);
}

/** The content of a TypeProto: a tensor's element type, or that of what a sequence or an optional holds. */
function type(model: RandomBytes, part: Field): Uint8Array[] {
  return remake(model, part, (kind) => {
    if (kind.number === 4 || kind.number === 9)
      return field(
        kind.number,
        ...remake(model, kind, (inner) => (inner.number === 1 ? field(1, ...type(model, inner)) : undefined)),
      );
    if (kind.number !== 1) return undefined;
    const tensor = [...fields(model, kind.start, kind.end)].map((item) =>
      item.number === 1 && item.value === bfloat16 ? numberField(1, float32) : raw(model, item),
    );
    return field(1, ...tensor);
  });
}

function isBfloat16(model: RandomBytes, tensor: Field): boolean {
  for (const inner of fields(model, tensor.start, tensor.end))
    if (inner.number === 2 && inner.wireType === 0) return inner.value === bfloat16;
  return false;
}

function tensorName(model: RandomBytes, tensor: Field): string {
  for (const inner of fields(model, tensor.start, tensor.end))
    if (inner.number === 8 && inner.wireType === 2) return textOf(model, inner);
  return '';
}

function renamed(model: RandomBytes, part: Field, nameField: number): Uint8Array {
  const changed = remake(model, part, (inner) =>
    inner.number === nameField ? field(nameField, `${textOf(model, inner)}${suffix}`) : undefined,
  );
  return field(part.number, ...changed);
}

function cast(from: string, to: string): Uint8Array {
  return field(1, ...castFields(from, to));
}

function castFields(from: string, to: string): Uint8Array[] {
  const attribute = field(5, field(1, 'to'), numberField(3, float32), numberField(20, 2));
  return [field(1, from), field(2, to), field(3, `${to} widened`), field(4, 'Cast'), attribute];
}

/** The fields of a message, those replaced for which `change` has something. */
function remake(
  model: RandomBytes,
  part: Field | undefined,
  change: (inner: Field) => Uint8Array | undefined,
): Uint8Array[] {
  return [...fields(model, part?.start, part?.end)].map(
    (inner) => (inner.wireType === 2 ? change(inner) : undefined) ?? raw(model, inner),
  );
}

function raw(model: RandomBytes, part: Field): Uint8Array {
  return model.read(part.at, part.end - part.at);
}
