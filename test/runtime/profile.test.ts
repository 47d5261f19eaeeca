import { describe, expect, it } from 'vitest';
import { readProfile, requireProvider } from '../../src/runtime/profile.ts';

const node = (name: string, op: string, provider: string, inputs: string[], outputs: string[]) => ({
  cat: 'Node',
  name: `${name}_kernel_time`,
  args: {
    op_name: op,
    provider,
    node_index: '1',
    input_type_shape: inputs.map((type) => ({ [type]: [1] })),
    output_type_shape: outputs.map((type) => ({ [type]: [1] })),
  },
});
const gpu = 'WebGpuExecutionProvider';
const cpu = 'CPUExecutionProvider';
const shapeNodes = [
  node('s', 'Shape', cpu, ['float'], ['int64']),
  node('g', 'Gather', cpu, ['int64', 'int64'], ['int64']),
  node('c', 'ConstantOfShape', cpu, ['int64'], ['float']),
  node('l', 'Loop', cpu, ['int64', 'float'], ['float']),
];

describe('readProfile', () => {
  it('counts each node once and ignores other events', () => {
    const events = [
      node('m', 'MatMul', gpu, ['float'], ['float']),
      ...shapeNodes,
      ...shapeNodes,
      { cat: 'Session' },
      7,
    ];
    expect(readProfile(JSON.stringify(events)).nodes).toEqual({ [gpu]: 1, [cpu]: 4 });
  });

  it('lets integer and shape arithmetic stay on the CPU, and nothing else', () => {
    const fine = readProfile(JSON.stringify([node('m', 'MatMul', gpu, ['float'], ['float']), ...shapeNodes]));
    expect(() => requireProvider(fine, 'webgpu')).not.toThrow();
    for (const stray of [
      node('arg', 'ArgMax', cpu, ['float'], ['int64']),
      node('const', 'RandomNormal', cpu, [], ['float']),
      node('other', 'Gather', 'CUDAExecutionProvider', ['int64'], ['int64']),
    ])
      expect(() => requireProvider(readProfile(JSON.stringify([stray, ...shapeNodes])), 'webgpu')).toThrow(
        expect.objectContaining({
          code: 'PROVIDER_NOT_USED',
          message: expect.stringContaining(stray.args.op_name),
        }),
      );
  });
});
