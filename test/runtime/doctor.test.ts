import { describe, expect, it } from 'vitest';
import { doctor } from '../../src/runtime/node/doctor.ts';
import { findAdapter } from '../../src/runtime/node/vulkan.ts';

describe('doctor', () => {
  it('tells what was tried, and what the rest needs', async () => {
    const health = await doctor();
    expect(health.node).toBe(process.versions.node);
    expect(health.onnxruntime.node).toMatch(/^1\./);
    const by = new Map(health.providers.map((provider) => [provider.name, provider]));
    expect([...by.keys()]).toEqual(['cpu', 'webgpu', 'cuda', 'tensorrt', 'coreml', 'dml', 'qnn']);
    expect(by.get('cpu')).toEqual({ name: 'cpu', available: true });
    for (const { available, why, hint } of health.providers)
      if (!available) expect([typeof why, typeof hint]).toEqual(['string', 'string']);
    if (findAdapter().kind === 'software')
      expect(by.get('webgpu')).toMatchObject({ available: true, device: expect.stringContaining('SwiftShader') });
  });
});
