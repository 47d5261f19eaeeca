import { dirname } from 'node:path';
import { HopfcoleError } from '../files/error.ts';
import { fileFolder } from '../files/node/folder.ts';
import type { ByteSource, Folder } from '../files/source.ts';
import { elementCount, type Tensor, toNumbers } from '../files/tensor.ts';
import { validate } from '../graph/validate/validate.ts';
import { fromProto } from '../graph/wire/read.ts';
import { externalData, isExternal, type ModelProto, readModel, tensorsOf, verifyChecksum } from '../onnx/index.ts';
import type { AnyMessage } from '../onnx/messages.ts';
import { assertEpsilons } from '../reading/epsilon.ts';
import type { Arguments, Context, Outcome } from './command.ts';
import { describedText, signature } from './model-files.ts';
import { table } from './output.ts';
import { openChild, providerJson, remaining } from './session.ts';
import { readArrays, readInputs } from './tensor-files.ts';

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

/** Tolerances by element type, relative to the largest expected value. */
const tolerances: Readonly<Record<string, number>> = { float64: 1e-9, float32: 1e-4, float16: 1e-2, bfloat16: 4e-2 };

/** Runs a model and compares its outputs with a file of expected ones. */
export async function compareOutputs(
  path: string,
  inputPath: string,
  expectedPath: string,
  tolerance: number | undefined,
  args: Arguments,
  context: Context,
): Promise<Outcome> {
  const expected = await readArrays(expectedPath);
  const session = await openChild(path, args, context);
  try {
    const feeds = await readInputs(inputPath, session.inputs);
    const { outputs } = await session.run(feeds, { signal: context.signal, timeoutMs: remaining(context) });
    const compared = [...expected]
      .map(([name, tensor]) => [name === '' ? (session.outputs[0]?.name ?? '') : name, tensor] as const)
      .filter(([name]) => outputs.has(name))
      .map(([name, tensor]) => compare(name, tensor, outputs.get(name) ?? tensor, tolerance));
    if (compared.length === 0)
      throw new HopfcoleError(
        'MISSING_OUTPUT',
        `the file of expected outputs has none of the model's: ${[...outputs.keys()].join(', ')}`,
        { file: expectedPath },
        'Name its arrays after the outputs',
      );
    return {
      json: { outputs: compared, ep: providerJson(session) },
      text: table([
        ['output', 'error', 'tolerance', ''],
        ...compared.map(({ name, error, tolerance: limit, ok }) => [
          name,
          error.toExponential(2),
          limit.toExponential(0),
          ok ? 'ok' : 'DIFFERS',
        ]),
      ]),
      passed: compared.every(({ ok }) => ok),
    };
  } finally {
    await session.close();
  }
}

interface Compared {
  readonly name: string;
  readonly error: number;
  readonly tolerance: number;
  readonly ok: boolean;
}

function compare(name: string, expected: Tensor, got: Tensor, given: number | undefined): Compared {
  const tolerance = given ?? tolerances[got.dtype] ?? 0;
  const sameShape =
    elementCount(expected.shape) === elementCount(got.shape) && String(expected.shape) === String(got.shape);
  const error = sameShape ? relativeError(expected, got) : Infinity;
  return { name, error, tolerance, ok: error <= tolerance };
}

/** Largest difference relative to the largest finite expected value; equal infinities and NaNs agree. */
export function relativeError(expected: Tensor, got: Tensor): number {
  if (expected.strings !== undefined || got.strings !== undefined)
    return String(expected.strings) === String(got.strings) ? 0 : Infinity;
  const a = toNumbers(expected);
  const b = toNumbers(got);
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] ?? 0;
    const y = b[i] ?? 0;
    if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
    if (Object.is(x, y) || x === y) continue;
    const difference = Math.abs(x - y);
    worst = Math.max(worst, Number.isNaN(difference) ? Infinity : difference);
  }
  return worst === 0 ? 0 : worst / Math.max(scale, Number.MIN_VALUE);
}
