import {
  type AnyMessage,
  fieldsOf,
  type MessageName,
  type ModelInit,
  type ModelProto,
  onnx,
} from '../../onnx/messages.ts';

/** A message made by the writer, in which empty lists may be missing, as one that was read: tensors stay the same objects. */
export function completeModel(model: ModelInit): ModelProto {
  if (model instanceof onnx.ModelProto) return model;
  return completed(model as AnyMessage, 'ModelProto') as unknown as ModelProto;
}

function completed(message: AnyMessage, type: MessageName): AnyMessage {
  // What is known of a tensor's data hangs on the object.
  if (type === 'TensorProto') return message;
  const copy: AnyMessage = { ...message };
  for (const { name, repeated, of } of fieldsOf(type).values()) {
    const value = message[name];
    if (repeated) {
      const items = (value ?? []) as readonly AnyMessage[];
      copy[name] = of === undefined ? items : items.map((item) => completed(item, of));
    } else if (of !== undefined && value) copy[name] = completed(value as AnyMessage, of);
  }
  return copy;
}
