import { dirname } from 'node:path';
import { HopfcoleError } from '../files/error.ts';
import { fileFolder } from '../files/node/folder.ts';
import type { ByteSource, Folder } from '../files/source.ts';
import { validate } from '../graph/validate/validate.ts';
import { fromProto } from '../graph/wire/read.ts';
import { externalData, isExternal, type ModelProto, readModel, tensorsOf, verifyChecksum } from '../onnx/index.ts';
import type { AnyMessage } from '../onnx/messages.ts';
import { assertEpsilons } from '../reading/epsilon.ts';
import type { Outcome } from './command.ts';
import { describedText, signature } from './model-files.ts';

/** @throws the first thing that is wrong with an ONNX file: its bytes, structure, types and shapes, or external data. */
export async function checkModel(path: string, source: ByteSource): Promise<Outcome> {
  try {
    const proto = await readModel(source, { keepFrom: 1024 });
    const folder = fileFolder(dirname(path));
    const problems = await validate(proto, folder);
    const first = problems.find(({ severity }) => severity === 'error');
    if (first !== undefined) throw new HopfcoleError(first.code, first.message, first.where, first.hint);
    await verifyChecksums(proto, folder);
    const model = await fromProto(proto, folder);
    assertEpsilons(model);
    const { inputs, outputs } = signature(model);
    return {
      json: {
        format: 'onnx',
        inputs,
        outputs,
        problems: [],
        remarks: problems.map(({ code, message }) => ({ code, message })),
      },
      text: [
        `${path}: valid ONNX`,
        ...inputs.map((input) => `input   ${describedText(input)}`),
        ...outputs.map((output) => `output  ${describedText(output)}`),
        ...problems.map(({ message }) => `note: ${message}`),
      ],
    };
  } catch (error) {
    throw error instanceof HopfcoleError ? error.at({ file: path }) : error;
  }
}

/** Each file of external data is held against its checksum once. */
async function verifyChecksums(proto: ModelProto, folder: Folder): Promise<void> {
  const seen = new Set<string>();
  for (const tensor of tensorsOf(proto as unknown as AnyMessage, 'ModelProto')) {
    if (!isExternal(tensor)) continue;
    const { location, checksum } = externalData(tensor);
    const key = `${location}\n${checksum}`;
    if (!seen.has(key)) await verifyChecksum(tensor, folder);
    seen.add(key);
  }
}
