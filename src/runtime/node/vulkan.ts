import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What WebGPU has to work with on this machine. */
export interface GraphicsAdapter {
  readonly kind: 'hardware' | 'software' | 'none';
  readonly device?: string;
  /** Environment variables the driver loader reads; they must be set before ONNX Runtime is loaded. */
  readonly environment: Readonly<Record<string, string>>;
  readonly why: string;
  readonly hint?: string;
}

const swiftShaderName = 'SwiftShader (software, no float16)';

/** Where browsers leave SwiftShader's Vulkan driver. */
const swiftShaderPlaces = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/usr/lib64/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
  '/opt/microsoft/msedge/vk_swiftshader_icd.json',
];

/** Looks, without loading anything; only trying tells whether an adapter works. */
export function findAdapter(environment: NodeJS.ProcessEnv = process.env): GraphicsAdapter {
  if (process.platform === 'darwin') return { kind: 'hardware', device: 'Metal', environment: {}, why: 'Metal' };
  if (process.platform === 'win32')
    return { kind: 'hardware', device: 'Direct3D 12', environment: {}, why: 'Direct3D 12' };
  if (!hasLoader(environment))
    return {
      kind: 'none',
      environment: {},
      why: 'the Vulkan loader libvulkan.so.1 is not installed',
      hint: 'Install it (Debian: apt-get install libvulkan1), and a Vulkan driver: that of the GPU, or for software rendering the package chromium',
    };
  const chosen = environment.VK_DRIVER_FILES ?? environment.VK_ICD_FILENAMES;
  if (chosen !== undefined && chosen !== '') {
    if (/swiftshader/i.test(chosen))
      return { kind: 'software', device: swiftShaderName, environment: {}, why: 'VK_DRIVER_FILES names SwiftShader' };
    return { kind: 'hardware', device: `Vulkan (${chosen})`, environment: {}, why: 'VK_DRIVER_FILES names a driver' };
  }
  const drivers = installedDrivers(environment).filter((name) => !/lvp|swiftshader/i.test(name));
  const nodes = gpuDevices();
  if (nodes.length > 0 && drivers.length > 0)
    return {
      kind: 'hardware',
      device: `Vulkan (${nodes.join(', ')})`,
      environment: {},
      why: `drivers ${drivers.join(', ')}`,
    };
  const reason = nodes.length === 0 ? 'no GPU was found' : 'the GPU has no Vulkan driver';
  return software(reason);
}

/** SwiftShader where it is installed, otherwise nothing. */
export function software(reason: string): GraphicsAdapter {
  const file = swiftShaderPlaces.find((path) => existsSync(path));
  if (file === undefined)
    return {
      kind: 'none',
      environment: {},
      why: reason,
      hint: "Install the GPU's Vulkan driver, or for software rendering SwiftShader (Debian: apt-get install chromium)",
    };
  return {
    kind: 'software',
    device: swiftShaderName,
    environment: { VK_DRIVER_FILES: file, VK_ICD_FILENAMES: file },
    why: `${reason}: the software driver ${file} serves`,
  };
}

function hasLoader(environment: NodeJS.ProcessEnv): boolean {
  const folders = [
    ...(environment.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== ''),
    '/usr/lib/x86_64-linux-gnu',
    '/usr/lib/aarch64-linux-gnu',
    '/lib/x86_64-linux-gnu',
    '/lib/aarch64-linux-gnu',
    '/usr/lib64',
    '/usr/lib',
    '/lib64',
    '/usr/local/lib',
  ];
  return folders.some((folder) => existsSync(join(folder, 'libvulkan.so.1')));
}

function installedDrivers(environment: NodeJS.ProcessEnv): string[] {
  const roots = [
    '/etc',
    '/usr/local/etc',
    ...(environment.XDG_DATA_DIRS ?? '/usr/local/share:/usr/share').split(':'),
    environment.XDG_DATA_HOME ?? join(homedir(), '.local/share'),
  ];
  return roots.flatMap((root) => list(join(root, 'vulkan/icd.d'))).filter((name) => name.endsWith('.json'));
}

function gpuDevices(): string[] {
  const render = list('/dev/dri').filter((name) => name.startsWith('renderD'));
  return [
    ...render.map((name) => `/dev/dri/${name}`),
    ...['/dev/nvidia0', '/dev/dxg'].filter((path) => existsSync(path)),
  ];
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
