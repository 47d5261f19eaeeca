import { type Folder, memorySource } from '../files/source.ts';
import { resolveEmptyOptionals } from '../graph/passes/inline.ts';
import { fromProto } from '../graph/wire/read.ts';
import { toProto } from '../graph/wire/write.ts';
import { readModel } from '../onnx/read.ts';
import { encodeModel } from '../onnx/write.ts';

/** The same model with the function calls that leave an input empty replaced by their bodies: ONNX Runtime can crash on them. */
export async function fillCalls(bytes: Uint8Array, name: string, folder: Folder): Promise<Uint8Array> {
  const model = await fromProto(await readModel(memorySource(bytes, name)), folder);
  return encodeModel(toProto(resolveEmptyOptionals(model)));
}
