/** Which provider a session was asked for, which it has, and why. */
export interface ProviderChoice {
  readonly requested: string;
  readonly name: string;
  /** The device, where it is known: `SwiftShader (software, no float16)`. */
  readonly device?: string | undefined;
  readonly why: string;
}

/** Where one node ran. */
export interface NodePlacement {
  readonly name: string;
  readonly operator: string;
  /** As ONNX Runtime names it: `CPUExecutionProvider`. */
  readonly provider: string;
  /** Integer or shape arithmetic or control flow, which ONNX Runtime keeps on the CPU by design, or a copy between devices. */
  readonly shapeArithmetic: boolean;
}

export interface ProviderReport {
  /** Number of nodes by provider. */
  readonly nodes: Readonly<Record<string, number>>;
  readonly placements: readonly NodePlacement[];
}

interface ProviderFacts {
  /** The name in profiles. */
  readonly label: string;
  /** What it needs, as the hint of an error and of `doctor`. */
  readonly needs: string;
}

/** The providers ONNX Runtime has a Node binding for, by the names users write. */
export const providers: Readonly<Record<string, ProviderFacts>> = {
  cpu: { label: 'CPUExecutionProvider', needs: 'nothing: it is part of onnxruntime-node' },
  webgpu: {
    label: 'WebGpuExecutionProvider',
    needs:
      'a GPU with a Vulkan, Metal or Direct3D 12 driver; on Linux also the loader libvulkan.so.1 (Debian: apt-get install libvulkan1). Without a GPU the software driver SwiftShader of the package chromium serves',
  },
  cuda: {
    label: 'CUDAExecutionProvider',
    needs:
      'an NVIDIA GPU with its driver, CUDA 12 and cuDNN 9, and the CUDA libraries of onnxruntime-node, which its own install step fetches: npm rebuild onnxruntime-node --ignore-scripts=false --foreground-scripts (with access to NuGet; Linux x64)',
  },
  tensorrt: {
    label: 'TensorrtExecutionProvider',
    needs: 'all that cuda needs, and TensorRT 10 (libnvinfer.so.10) on the library path',
  },
  coreml: { label: 'CoreMLExecutionProvider', needs: 'macOS' },
  dml: { label: 'DmlExecutionProvider', needs: 'Windows 10 or later with a Direct3D 12 GPU' },
  qnn: { label: 'QNNExecutionProvider', needs: 'Windows on a Qualcomm Snapdragon machine (arm64)' },
};

export function providerLabel(name: string): string {
  return providers[name]?.label ?? name;
}
