import { dtypeOfCode } from '../../files/dtype.ts';
import type { Where } from '../../files/error.ts';
import { suggestion } from '../../files/nearest.ts';
import type { AttributeProto, NodeProto } from '../../onnx/messages.ts';
import type { Schema } from '../schema.ts';
import type { Context } from './context.ts';
import { checkSparseTensor, checkTensor } from './tensor.ts';

type Kind = (typeof kinds)[number][0];

/** AttributeProto's kinds: name, type number, field, and whether the field is a list. */
const kinds = [
  ['float', 1, 'f', false],
  ['int', 2, 'i', false],
  ['string', 3, 's', false],
  ['tensor', 4, 't', false],
  ['graph', 5, 'g', false],
  ['sparse_tensor', 11, 'sparseTensor', false],
  ['type', 13, 'tp', false],
  ['floats', 6, 'floats', true],
  ['ints', 7, 'ints', true],
  ['strings', 8, 'strings', true],
  ['tensors', 9, 'tensors', true],
  ['graphs', 10, 'graphs', true],
  ['sparse_tensors', 12, 'sparseTensors', true],
  ['types', 14, 'typeProtos', true],
] as const;

/** The attributes of a node: each in itself, then against the operator's schema where there is one. */
export function checkAttributes(node: NodeProto, schema: Schema | undefined, context: Context, where: Where): void {
  const { problems } = context;
  const seen = new Set<string>();
  for (const attribute of node.attribute) {
    const name = attribute.name ?? '';
    const place = { ...where, argument: name };
    if (name === '') problems.error('BAD_ATTRIBUTE', 'an attribute has no name', where);
    else if (seen.has(name)) problems.error('DUPLICATE_NAME', `the attribute '${name}' is given twice`, place);
    seen.add(name);
    const kind = checkValue(attribute, context, place);
    if (schema !== undefined) checkAgainst(schema, name, kind, context, place);
  }
  if (schema === undefined) return;
  for (const [name, { required }] of schema.attributes)
    if (required && !seen.has(name))
      problems.error('MISSING_ATTRIBUTE', `expected the attribute '${name}', got none`, { ...where, argument: name });
  checkDtypes(node, schema, context, where);
}

/** The kind of an attribute, or undefined where it is newer than this version or broken (which is told). */
function checkValue(attribute: AttributeProto, context: Context, where: Where): Kind | undefined {
  const { problems } = context;
  const filled = kinds.filter(([, , field, list]) => isFilled(attribute, field, list)).map(([kind]) => kind);
  const declared = kinds.find(([, code]) => code === attribute.type);
  if (attribute.refAttrName) {
    checkReference(attribute.refAttrName, context, where);
    if (filled.length > 0) problems.error('BAD_ATTRIBUTE', 'it has a value and refers to another attribute', where);
    return declared?.[0];
  }
  if (declared === undefined) {
    if ((attribute.type ?? 0) !== 0) problems.error('BAD_ATTRIBUTE', `its kind ${attribute.type} is not known`, where);
    else if (context.irVersion >= 2) problems.error('BAD_ATTRIBUTE', 'its kind is not given', where);
    return filled.length === 1 ? filled[0] : undefined;
  }
  const [kind, , , list] = declared;
  const other = filled.find((name) => name !== kind);
  if (other !== undefined) problems.error('BAD_ATTRIBUTE', `expected a value of kind ${kind}, got ${other}`, where);
  else if (!list && filled.length === 0)
    problems.error('BAD_ATTRIBUTE', `expected a value of kind ${kind}, got none`, where);
  for (const tensor of [...(attribute.t ? [attribute.t] : []), ...attribute.tensors])
    checkTensor(tensor, problems, where);
  for (const tensor of [...(attribute.sparseTensor ? [attribute.sparseTensor] : []), ...attribute.sparseTensors])
    checkSparseTensor(tensor, problems, where);
  return kind;
}

function isFilled(attribute: AttributeProto, field: (typeof kinds)[number][2], list: boolean): boolean {
  const value = attribute[field];
  return list ? Array.isArray(value) && value.length > 0 : value !== null && value !== undefined;
}

function checkReference(name: string, { inside, problems }: Context, where: Where): void {
  if (inside === undefined)
    problems.error(
      'BAD_ATTRIBUTE',
      `it refers to the attribute '${name}' of a function, outside of any function`,
      where,
    );
  else if (!inside.attributes.has(name))
    problems.error(
      'BAD_ATTRIBUTE',
      `it refers to an attribute '${name}' that function ${inside.name} does not have`,
      where,
      suggestion(name, inside.attributes),
    );
}

function checkAgainst(schema: Schema, name: string, kind: Kind | undefined, { problems }: Context, where: Where): void {
  const expected = schema.attributes.get(name);
  if (expected === undefined) {
    // Names that begin so are the runtimes' own.
    if (name.startsWith('__') || name === '') return;
    const known = [...schema.attributes.keys()];
    problems.error(
      'UNKNOWN_ATTRIBUTE',
      `version ${schema.sinceVersion} of ${schema.opType} has no attribute '${name}'; it has ${known.join(', ') || 'none'}`,
      where,
      suggestion(name, known),
    );
  } else if (kind !== undefined && expected.kind !== 'carried' && kind !== expected.kind)
    problems.error('BAD_ATTRIBUTE', `expected an attribute of kind ${expected.kind}, got ${kind}`, where);
}

const typeAttributes: Readonly<Record<string, string>> = {
  Cast: 'to',
  EyeLike: 'dtype',
  RandomNormal: 'dtype',
  RandomUniform: 'dtype',
  RandomNormalLike: 'dtype',
  RandomUniformLike: 'dtype',
  Multinomial: 'dtype',
  SequenceEmpty: 'dtype',
  Bernoulli: 'dtype',
};

/** Element types given as numbers must be element types. */
function checkDtypes(node: NodeProto, schema: Schema, { problems }: Context, where: Where): void {
  const name = typeAttributes[schema.opType];
  const attribute = name === undefined ? undefined : node.attribute.find((given) => given.name === name);
  if (attribute === undefined || attribute.i === null || attribute.i === undefined) return;
  const code = Number(attribute.i);
  if (dtypeOfCode(code) === undefined)
    problems.error('BAD_ATTRIBUTE', `expected the number of an element type, got ${code}`, {
      ...where,
      argument: name,
    });
}
