import { makeTensor, type Tensor, viewOf } from '../files/tensor.ts';
import { nameOf } from './header.ts';
import { concat, type Field, field, fields, numberField, type RandomBytes } from './wire.ts';

/** What the inside of a name is called at the boundary: the runtime sees `x::float32`, the model still has `x`. */
export const suffix = '::float32';

const float32 = 1;
const bfloat16 = 16;

/**
 * The same model with every bfloat16 input and output taken and given as float32 under `name::float32`, a Cast behind and before:
 * onnxruntime-node has no bfloat16 tensors. Exact both ways: float32 holds every bfloat16 value.
 */
export function widenBoundary(model: RandomBytes): Uint8Array {
  const parts = [...fields(model)].map((part) => {
    if (part.number !== 7 || part.wireType !== 2) return raw(model, part);
    return widenGraph(model, part);
  });
  return concat(parts);
}

function widenGraph(model: RandomBytes, graph: Field): Uint8Array {
  const before: Uint8Array[] = [];
  const inside: Uint8Array[] = [];
  const after: Uint8Array[] = [];
  for (const part of fields(model, graph.start, graph.end)) {
    const isEnd = part.wireType === 2 && (part.number === 11 || part.number === 12);
    const changed = isEnd ? widenValue(model, part) : undefined;
    inside.push(changed ?? raw(model, part));
    if (changed === undefined) continue;
    const name = nameOf(model, part);
    if (part.number === 11) before.push(cast(`${name}${suffix}`, name, bfloat16));
    else after.push(cast(name, `${name}${suffix}`, float32));
  }
  return field(7, ...before, ...inside, ...after);
}

function cast(from: string, to: string, code: number): Uint8Array {
  const attribute = field(5, field(1, 'to'), numberField(3, code), numberField(20, 2));
  return field(1, field(1, from), field(2, to), field(3, `${to} boundary`), field(4, 'Cast'), attribute);
}

/** The ValueInfo renamed and as float32, or undefined when it is no bfloat16 tensor. */
function widenValue(model: RandomBytes, value: Field): Uint8Array | undefined {
  let changed = false;
  const parts = [...fields(model, value.start, value.end)].map((part) => {
    if (part.wireType !== 2) return raw(model, part);
    if (part.number === 1) return field(1, `${nameOf(model, value)}${suffix}`);
    if (part.number !== 2) return raw(model, part);
    const type = [...fields(model, part.start, part.end)].map((kind) => {
      if (kind.number !== 1 || kind.wireType !== 2) return raw(model, kind);
      const tensor = [...fields(model, kind.start, kind.end)].map((item) => {
        if (item.number !== 1 || item.wireType !== 0 || item.value !== bfloat16) return raw(model, item);
        changed = true;
        return numberField(1, float32);
      });
      return field(1, ...tensor);
    });
    return field(2, ...type);
  });
  return changed ? field(value.number, ...parts) : undefined;
}

function raw(model: RandomBytes, part: Field): Uint8Array {
  return model.read(part.at, part.end - part.at);
}

export function widen(tensor: Tensor): Tensor {
  const bits = viewOf(tensor, 'bfloat16');
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = (bits[i] ?? 0) << 16;
  return makeTensor('float32', tensor.shape, new Uint8Array(out.buffer));
}

/** To bfloat16, to nearest even: exact for what was widened. */
export function narrow(tensor: Tensor): Tensor {
  const floats = viewOf(tensor, 'float32');
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const out = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i] ?? 0;
    const notNumber = (value & 0x7fffffff) > 0x7f800000;
    out[i] = notNumber ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return makeTensor('bfloat16', tensor.shape, new Uint8Array(out.buffer));
}
