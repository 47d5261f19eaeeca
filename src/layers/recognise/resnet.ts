import { type Facts, unsupported } from './facts.ts';
import { type Family, said, type Told } from './family.ts';
import type { Names } from './names.ts';

/** torchvision's networks by their block and how many of it each stage has. */
const titles: ReadonlyMap<string, string> = new Map([
  ['basic 2,2,2,2', '18'],
  ['basic 3,4,6,3', '34'],
  ['bottleneck 3,4,6,3', '50'],
  ['bottleneck 3,4,23,3', '101'],
  ['bottleneck 3,8,36,3', '152'],
]);

/** More stages than this is none that anyone writes. */
const mostStages = 16;

/** ResNet, ResNeXt and wide ResNet with the names of torchvision and timm, of Hugging Face, or of the usual code for CIFAR. */
export const resnetFamily: Family = {
  family: 'resnet',
  tell(names, facts) {
    if (names.has('layer1.0.conv1.weight') && names.has('layer1.0.bn1.weight')) return torchvision(names, facts);
    const prefix = names.prefixOf('embedder.embedder.convolution.weight', ['resnet.', '']);
    const isHuggingFace =
      prefix !== undefined && names.has(`${prefix}encoder.stages.0.layers.0.layer.0.convolution.weight`);
    return isHuggingFace ? huggingFace(names, facts, prefix) : undefined;
  },
};

function torchvision(names: Names, facts: Facts): Told {
  const stem = names.shape('conv1.weight');
  if (stem?.length !== 4) throw unsupported('a stem of several convolutions (ResNet-D and its kin)');
  const isBottleneck = names.has('layer1.0.conv3.weight');
  const block = isBottleneck ? 'bottleneck' : 'basic';
  const stages = stageCounts(names, (stage, index) => `layer${stage + 1}.${index}.conv1.weight`);
  // The code for CIFAR that most people start from says linear and shortcut.
  const renamed: Record<string, string> = {};
  const head = names.has('fc.weight') || !names.has('linear.weight') ? 'fc' : 'linear';
  if (head !== 'fc') renamed['fc.*'] = `${head}.*`;
  for (const [stage] of stages.entries()) {
    const place = `layer${stage + 1}.0`;
    if (names.has(`${place}.shortcut.0.weight`)) renamed[`${place}.downsample.*`] = `${place}.shortcut.*`;
    else if (stage > 0 && !names.has(`${place}.downsample.0.weight`))
      throw unsupported(`shortcuts other than a convolution and its norm (in ${place})`);
  }
  const groups = groupsOf(names);
  const [width = 64, channels = 3, kernel = 7] = stem;
  const inner = names.size('layer1.0.conv1.weight', 0) ?? 64;
  const widthPerGroup = isBottleneck ? (inner / groups) * (64 / width) : 64;
  if (kernel === 3) facts.assume('stem', 'cifar');
  return {
    network: titleOf(block, stages, groups, widthPerGroup),
    spec: specOf('image', channels, names.has(`${head}.weight`), renamed, {
      block,
      groups: groups === 1 ? undefined : groups,
      widthPerGroup: widthPerGroup === 64 ? undefined : widthPerGroup,
    }),
  };
}

/** Groups of the middle convolution of a bottleneck, from its shape. */
function groupsOf(names: Names): number {
  const [out, each] = names.has('layer1.0.conv3.weight') ? (names.shape('layer1.0.conv2.weight') ?? []) : [];
  return out === undefined || each === undefined || each === 0 ? 1 : Math.max(1, Math.trunc(out / each));
}

function stageCounts(names: Names, name: (stage: number, index: number) => string): number[] {
  const stages: number[] = [];
  for (let stage = 0; stage < mostStages && names.has(name(stage, 0)); stage++)
    stages.push(names.count((index) => name(stage, index)));
  return stages;
}

function titleOf(block: string, stages: readonly number[], groups: number, widthPerGroup: number): string {
  const depth = titles.get(`${block} ${stages.join()}`);
  if (depth === undefined) return `ResNet of ${block} blocks ${stages.join(', ')}`;
  if (groups > 1) return `ResNeXt-${depth} ${groups}x${widthPerGroup}d`;
  return widthPerGroup === 128 ? `Wide ResNet-${depth}-2` : `ResNet-${depth}`;
}

function specOf(
  input: string,
  channels: number,
  hasHead: boolean,
  renamed: Readonly<Record<string, string>>,
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return said({
    name: 'resnet',
    inputs: [{ name: input, shape: ['batch', channels, 'height', 'width'] }],
    output: hasHead ? 'logits' : 'features',
    names: Object.keys(renamed).length === 0 ? undefined : renamed,
    layers: [said({ kind: 'resnet', ...options })],
  });
}

/** Hugging Face's ResNet: the same network; every convolution and norm has another name. */
function huggingFace(names: Names, { config }: Facts, prefix: string): Told {
  const at = (stage: number, index: number) => `${prefix}encoder.stages.${stage}.layers.${index}`;
  const stages = stageCounts(names, (stage, index) => `${at(stage, index)}.layer.0.convolution.weight`);
  const isBottleneck = names.has(`${at(0, 0)}.layer.2.convolution.weight`);
  if (config?.flag('downsample_in_bottleneck') === true)
    throw unsupported('strides in the first convolution of a block');
  if (config?.flag('downsample_in_first_stage') === true) throw unsupported('a first stage that takes strides');
  if ((config?.text('hidden_act') ?? 'relu') !== 'relu') throw unsupported('another activation than relu');
  const embedder = `${prefix}embedder.embedder`;
  const renamed: Record<string, string> = {
    'conv1.*': `${embedder}.convolution.*`,
    'bn1.*': `${embedder}.normalization.*`,
    'fc.*': 'classifier.1.*',
  };
  for (const [stage, count] of stages.entries())
    for (let index = 0; index < count; index++) {
      const [ours, theirs] = [`layer${stage + 1}.${index}`, at(stage, index)];
      for (let part = 0; part < (isBottleneck ? 3 : 2); part++) {
        renamed[`${ours}.conv${part + 1}.*`] = `${theirs}.layer.${part}.convolution.*`;
        renamed[`${ours}.bn${part + 1}.*`] = `${theirs}.layer.${part}.normalization.*`;
      }
      if (!names.has(`${theirs}.shortcut.convolution.weight`)) continue;
      renamed[`${ours}.downsample.0.*`] = `${theirs}.shortcut.convolution.*`;
      renamed[`${ours}.downsample.1.*`] = `${theirs}.shortcut.normalization.*`;
    }
  const block = isBottleneck ? 'bottleneck' : 'basic';
  const inner = names.size(`${at(0, 0)}.layer.0.convolution.weight`, 0) ?? 64;
  const width = names.size(`${embedder}.convolution.weight`, 0) ?? 64;
  const widthPerGroup = isBottleneck ? (inner * 64) / width : 64;
  return {
    network: titleOf(block, stages, 1, widthPerGroup),
    spec: specOf(
      'pixel_values',
      names.size(`${embedder}.convolution.weight`, 1) ?? 3,
      names.has('classifier.1.weight'),
      renamed,
      { block, widthPerGroup: widthPerGroup === 64 ? undefined : widthPerGroup },
    ),
  };
}
