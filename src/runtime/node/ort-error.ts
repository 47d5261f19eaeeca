import { HopfcoleError, type Where } from '../../files/error.ts';
import { providers } from '../provider.ts';

/** An error of ONNX Runtime as one of ours, on one line, without the paths of the machine that compiled it. */
export function translate(error: unknown, during: 'load' | 'run', provider: string, where: Where): HopfcoleError {
  if (error instanceof HopfcoleError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const message = clean(text);
  const options = { cause: error };
  if (/requires f16 but the device does not support it|shader-f16|ShaderF16/.test(text))
    return new HopfcoleError(
      'UNSUPPORTED_DTYPE',
      'the WebGPU device has no float16 arithmetic',
      where,
      'SwiftShader and some GPUs lack it: use --ep cpu, or a float32 model',
      options,
    );
  if (
    /Failed to load shared library|backend not found|no available backend|No supported adapters|WebGPU adapter/.test(
      text,
    )
  )
    return new HopfcoleError(
      'PROVIDER_UNAVAILABLE',
      `the provider ${provider} does not work here: ${reason(text)}`,
      where,
      `It needs ${providers[provider]?.needs ?? 'a runtime that has it'}`,
      options,
    );
  const kernel =
    /(?:find an implementation for|Could not find a kernel for|NOT_IMPLEMENTED.*?) ?(\w+)\((\d+)\) node with name '([^']*)'/.exec(
      text,
    );
  const unplaced = /Provider type for (\w+) node with name '([^']*)' is not set/.exec(text);
  if (unplaced !== null)
    return new HopfcoleError(
      'UNSUPPORTED_OPERATOR',
      `ONNX Runtime has no ${provider} kernel for ${unplaced[1]} with these element types`,
      { ...where, operator: unplaced[1], ...(unplaced[2] === '' ? {} : { node: unplaced[2] }) },
      'Use another element type (float32) or provider',
      options,
    );
  if (kernel !== null)
    return new HopfcoleError(
      'UNSUPPORTED_OPERATOR',
      `ONNX Runtime has no ${provider} kernel for ${kernel[1]} (version ${kernel[2]}) with these element types`,
      { ...where, operator: kernel[1], ...(kernel[3] === '' ? {} : { node: kernel[3] }) },
      'Use another element type (float32) or provider',
      options,
    );
  if (during === 'load')
    return new HopfcoleError(
      'MODEL_REFUSED',
      `ONNX Runtime refuses the model: ${message}`,
      where,
      'hopfcole check names the first problem',
      options,
    );
  const node = /while running (\w+) node\. Name:'([^']*)'/.exec(text);
  const at = node === null ? where : { ...where, operator: node[1], ...(node[2] === '' ? {} : { node: node[2] }) };
  return new HopfcoleError(
    'RUN_FAILED',
    `the run failed: ${message}`,
    at,
    'Check the shapes and values of the inputs',
    options,
  );
}

function reason(text: string): string {
  if (/No supported adapters|WebGPU adapter/.test(text)) return 'no GPU adapter was found';
  if (/shared library/.test(text)) return 'its libraries are not installed, or do not load';
  return 'this build of onnxruntime-node does not have it';
}

function clean(text: string): string {
  const line = text
    .replace(/^\S*onnxruntime_src\S+ .*? was false\. /s, '')
    .replace(/^Non-zero status code returned while running .*?Status Message: /s, '')
    .replace(/\S*onnxruntime_src\S+ /g, '')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > 600 ? `${line.slice(0, 600)} ...` : line;
}
