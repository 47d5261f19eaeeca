import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { parseJson } from '../../src/files/json.ts';
import { fromNumbers, type Tensor } from '../../src/files/tensor.ts';
import { importNetwork } from '../../src/layers/network.ts';
import type { Shaped } from '../../src/layers/recognise/names.ts';
import { recognise, specOf } from '../../src/layers/recognise/recognise.ts';
import { sentenceModules } from '../../src/layers/recognise/sentence.ts';

type Shapes = Readonly<Record<string, readonly number[]>>;

const shaped = (shapes: Shapes): Map<string, Shaped> =>
  new Map(Object.entries(shapes).map(([name, shape]) => [name, { dtype: 'float32', shape }]));

function told(shapes: Shapes, config?: unknown) {
  const document = config === undefined ? undefined : parseJson(JSON.stringify(config), 'config.json');
  return recognise(shaped(shapes), {
    config: document === undefined ? undefined : { document, file: 'config.json' },
  });
}

const linear = (name: string, out: number, into: number): Shapes => ({
  [`${name}.weight`]: [out, into],
  [`${name}.bias`]: [out],
});

const llama: Shapes = {
  'model.embed_tokens.weight': [60, 32],
  'model.layers.0.input_layernorm.weight': [32],
  'model.layers.0.post_attention_layernorm.weight': [32],
  'model.layers.0.self_attn.q_proj.weight': [32, 32],
  'model.layers.0.self_attn.k_proj.weight': [16, 32],
  'model.layers.0.self_attn.v_proj.weight': [16, 32],
  'model.layers.0.self_attn.o_proj.weight': [32, 32],
  'model.layers.0.mlp.gate_proj.weight': [48, 32],
  'model.layers.0.mlp.up_proj.weight': [48, 32],
  'model.layers.0.mlp.down_proj.weight': [32, 48],
  'model.norm.weight': [32],
};
const whole = { num_attention_heads: 4, rms_norm_eps: 1e-6, rope_theta: 1e4, hidden_act: 'silu', model_type: 'llama' };

const bert: Shapes = {
  'embeddings.word_embeddings.weight': [50, 32],
  'embeddings.position_embeddings.weight': [16, 32],
  'embeddings.token_type_embeddings.weight': [2, 32],
  'embeddings.LayerNorm.gamma': [32],
  'embeddings.LayerNorm.beta': [32],
  ...linear('encoder.layer.0.attention.self.query', 32, 32),
  ...linear('encoder.layer.0.attention.self.key', 32, 32),
  ...linear('encoder.layer.0.attention.self.value', 32, 32),
  ...linear('encoder.layer.0.attention.output.dense', 32, 32),
  'encoder.layer.0.attention.output.LayerNorm.gamma': [32],
  'encoder.layer.0.attention.output.LayerNorm.beta': [32],
  ...linear('encoder.layer.0.intermediate.dense', 64, 32),
  ...linear('encoder.layer.0.output.dense', 32, 64),
  'encoder.layer.0.output.LayerNorm.gamma': [32],
  'encoder.layer.0.output.LayerNorm.beta': [32],
};

const resnet: Shapes = {
  'conv1.weight': [8, 3, 3, 3],
  'bn1.weight': [8],
  'layer1.0.conv1.weight': [8, 8, 3, 3],
  'layer1.0.bn1.weight': [8],
};

function code(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof HopfcoleError) return `${error.code} ${error.message} | ${error.hint}`;
    throw error;
  }
  return 'nothing thrown';
}

const spec = (shapes: Shapes, config?: unknown) => specOf(told(shapes, config), 'weights.pt');

describe('what is not recognised', () => {
  it.each<[string, Shapes]>([
    ['no tensors', {}],
    ['names of nothing known', { 'tower.gate.weight': [3, 4, 5], 'tower.mix': [7] }],
    ['a table of vectors or a linear layer without a bias', { weight: [16, 8] }],
    ['linear layers that do not follow one another', { ...linear('a', 5, 4), ...linear('b', 3, 9) }],
    ['gates that are of no cell', { weight_ih_l0: [16, 5], weight_hh_l0: [16, 8], bias_ih_l0: [16], bias_hh_l0: [16] }],
  ])('says how to save a program: %s', (_, shapes) => {
    const said = code(() => spec(shapes));
    expect(said).toMatch(/^UNRECOGNISED_NETWORK the file holds weights of no network that is known by its names/);
    expect(said).toContain('torch.export.save(torch.export.export(model.eval(), inputs)');
    expect(said).toContain('--spec');
  });

  it.each<[string, Shapes, object, RegExp]>([
    ['a type that computes otherwise', llama, { ...whole, model_type: 'gemma' }, /the type 'gemma'/],
    [
      'rotary positions without a layer',
      llama,
      { ...whole, rope_scaling: { rope_type: 'yarn', factor: 4 } },
      /positions of the type 'yarn'/,
    ],
    [
      'windows in some layers',
      llama,
      { ...whole, model_type: 'mistral', sliding_window: 4, layer_types: ['sliding_attention', 'full_attention'] },
      /with and without a sliding window/,
    ],
    ['an activation without a layer', llama, { ...whole, hidden_act: 'xielu' }, /the activation 'xielu'/],
    [
      'relative positions',
      bert,
      { num_attention_heads: 4, position_embedding_type: 'relative_key' },
      /type 'relative_key'/,
    ],
    ['a type of BERT that computes otherwise', bert, { model_type: 'electra', hidden_size: 32 }, /the type 'electra'/],
    ['a stem of several convolutions', { ...resnet, 'conv1.weight': [8] }, {}, /ResNet-D/],
    ['shortcuts without weights', { ...resnet, 'layer2.0.conv1.weight': [16, 8, 3, 3] }, {}, /in layer2\.0/],
    ['the mixer of Mamba-2', { 'backbone.layers.0.mixer.A_log': [8], 'backbone.norm_f.weight': [8] }, {}, /Mamba-2/],
  ])('names what no layer computes: %s', (_, shapes, config, why) => {
    const said = code(() => told(shapes, config));
    expect(said).toMatch(/^UNRECOGNISED_NETWORK the network has /);
    expect(said).toMatch(why);
  });

  it('says of a recognised network what does not fit it', () => {
    const { 'model.norm.weight': _, ...lame } = llama;
    const tensors = new Map<string, Tensor>(
      Object.entries(lame).map(([name, shape]) => [
        name,
        fromNumbers('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1))),
      ]),
    );
    const recognised = recognise(tensors, {
      config: { document: parseJson(JSON.stringify(whole), 'config.json'), file: 'config.json' },
    });
    expect(recognised?.network).toBe('Llama');
    expect(code(() => importNetwork(specOf(recognised, 'weights'), tensors))).toMatch(
      /^MISSING_PARAMETERS .*model\.norm\.weight/,
    );
  });
});

describe('what shapes do not tell', () => {
  it('asks for every number that is missing, by the name the configuration has for it', () => {
    expect(told(llama)).toMatchObject({
      network: 'Llama',
      needed: ['num_attention_heads', 'rms_norm_eps', 'rope_theta'],
    });
    const said = code(() => spec(llama));
    expect(said).toMatch(
      /^CONFIG_NEEDED Llama: its shapes do not tell num_attention_heads, rms_norm_eps, rope_theta \| .*config\.json.*--config FILE/,
    );
  });

  it('takes what the library takes where its configuration is silent, and says so', () => {
    expect(told(llama, { model_type: 'llama', num_attention_heads: 4 })).toMatchObject({
      needed: [],
      assumed: [
        { name: 'rms_norm_eps', value: 1e-6 },
        { name: 'rope_theta', value: 10_000 },
        { name: 'hidden_act', value: 'silu' },
      ],
    });
  });

  it.each<[number, number | undefined]>([
    [768, 12],
    [1024, 16],
    // MiniLM and others divide these differently.
    [384, undefined],
    [320, undefined],
  ])('assumes the heads of BERT only where every published network of %i features has them', (features, heads) => {
    const wide = Object.fromEntries(
      Object.entries(bert).map(([name, shape]) => [name, shape.map((size) => (size === 32 ? features : size))]),
    );
    const recognised = told(wide);
    const assumed = recognised?.assumed.find(({ name }) => name === 'num_attention_heads')?.value;
    expect(assumed).toBe(heads);
    expect(recognised?.needed).toEqual(heads === undefined ? ['num_attention_heads'] : []);
  });

  it('gives a ready-made specification of linear layers, whose activations it cannot see', () => {
    const said = code(() => spec({ ...linear('0', 8, 16), ...linear('2', 3, 8) }));
    expect(said).toMatch(/^CONFIG_NEEDED 2 linear layers: its shapes do not tell activation \| /);
    expect(said).toContain(
      '{"name":"mlp","inputs":[{"name":"x","shape":["batch",16]}],"layers":[{"kind":"linear","name":"0"},{"kind":"relu"},{"kind":"linear","name":"2"}]}',
    );
  });

  it('reads the names of the oldest checkpoints, whose norms have a gamma and a beta', () => {
    expect(told(bert, { num_attention_heads: 4 })?.spec).toMatchObject({
      keepNames: true,
      names: {
        'embeddings.LayerNorm.weight': 'embeddings.LayerNorm.gamma',
        'embeddings.LayerNorm.bias': 'embeddings.LayerNorm.beta',
      },
    });
  });

  it('computes in float64 where the checkpoint is, inputs and all', () => {
    const shapes = { weight_ih_l0: [32, 5], weight_hh_l0: [32, 8], bias_ih_l0: [32], bias_hh_l0: [32] };
    const tensors = new Map(
      Object.entries(shapes).map(([name, shape]) => [
        name,
        fromNumbers('float64', shape, new Float64Array(shape.reduce((a, b) => a * b, 1))),
      ]),
    );
    const { model } = importNetwork(specOf(recognise(tensors), 'weights'), tensors);
    expect(model.graph.inputs.map(({ dtype }) => dtype)).toEqual(['float64']);
    expect(model.graph.outputs.map(({ value }) => value.dtype)).toEqual(['float64', 'float64', 'float64']);
  });

  it('sees through what stands before every name', () => {
    for (const prefix of ['module.', '_orig_mod.', 'module._orig_mod.model.', 'net.']) {
      const wrapped = Object.fromEntries(Object.entries(llama).map(([name, shape]) => [prefix + name, shape]));
      expect(told(wrapped, whole)?.spec).toEqual(told(llama, whole)?.spec);
    }
  });
});

describe('configurations', () => {
  it.each<[string, Shapes, unknown, RegExp]>([
    ['a list', llama, [1], /the document of the configuration: expected an object, got a list/],
    ['heads that are a text', llama, { ...whole, num_attention_heads: 'four' }, /expected a number, got four/],
    ['heads that are no integer', llama, { ...whole, num_attention_heads: 2.5 }, /an integer of at least 1, got 2\.5/],
    ['no heads at all', llama, { ...whole, num_attention_heads: 0 }, /an integer of at least 1, got 0/],
    ['heads that do not divide', bert, { num_attention_heads: 5 }, /num_attention_heads .* a divisor of 32, got 5/],
    ['a number beyond float32', llama, { ...whole, rms_norm_eps: 1e300 }, /expected a number, got 1e\+300/],
    ['an activation that is a number', llama, { ...whole, hidden_act: 3 }, /hidden_act .*expected a text, got 3/],
    ['a flag that is a text', { weight_ih_l0: [32, 5], weight_hh_l0: [32, 8] }, { batch_first: 'no' }, /true or false/],
    ['architectures that are a text', llama, { ...whole, architectures: 'Llama' }, /a list of texts, got Llama/],
    [
      'scaling without its numbers',
      llama,
      { ...whole, rope_scaling: { rope_type: 'llama3', factor: 8 } },
      /low_freq_factor .*rope_type 'llama3' needs/,
    ],
    ['scaling that is a text', llama, { ...whole, rope_scaling: 'twice' }, /expected an object, got twice/],
  ])('refuses %s', (_, shapes, config, why) => {
    const said = code(() => told(shapes, config));
    expect(said).toMatch(/^BAD_CONFIG /);
    expect(said).toMatch(why);
  });

  it('refuses a broken list of modules, and leaves alone that of something else', () => {
    const list = (document: unknown) => sentenceModules(parseJson(JSON.stringify(document), 'f'), 'modules.json');
    const one = { type: 'sentence_transformers.models.Transformer', path: '' };
    expect(list([one])).toEqual([{ type: 'Transformer', path: '' }]);
    expect(list({ modules: [] })).toBeUndefined();
    expect(list([{ type: 'webpack', path: 3 }])).toBeUndefined();
    expect(code(() => list([one, { type: 7, path: '' }]))).toMatch(/^BAD_CONFIG /);
    expect(code(() => list(Array.from({ length: 40 }, () => one)))).toMatch(/^BAD_CONFIG expected at most 32 modules/);
  });
});

describe('whatever a checkpoint holds', () => {
  const bases: readonly [Shapes, object | undefined][] = [
    [llama, whole],
    [bert, { num_attention_heads: 4 }],
    [{ ...resnet, ...linear('fc', 5, 8) }, undefined],
    [{ weight_ih_l0: [32, 5], weight_hh_l0: [32, 8], bias_ih_l0: [32], bias_hh_l0: [32] }, undefined],
    [{ ...linear('0', 8, 16), ...linear('2', 3, 8) }, { activation: 'tanh' }],
    [{ 'layers.0.self_attn.in_proj_weight': [96, 32], 'layers.0.linear1.weight': [48, 32] }, { nhead: 4 }],
    [
      {
        cls_token: [1, 1, 32],
        pos_embed: [1, 5, 32],
        'patch_embed.proj.weight': [32, 3, 4, 4],
        'blocks.0.attn.qkv.weight': [96, 32],
      },
      { num_heads: 4 },
    ],
    [{ 'backbone.layers.0.mixer.A_log': [12, 16], 'backbone.norm_f.weight': [6] }, undefined],
    [{ 'wte.weight': [60, 32], 'h.0.attn.c_attn.weight': [32, 96] }, { n_head: 4 }],
  ];
  const odd = fc.constantFrom<readonly number[]>(
    [],
    [0],
    [1],
    [3, 0],
    [1, 1],
    [2, 2, 2],
    [2 ** 40, 2 ** 40],
    [7, 7, 7, 7],
  );
  const oddValue = fc.oneof(fc.jsonValue(), fc.constantFrom(0, -1, 1e308, 2 ** 53 - 1, '', 'default', null));

  it('is a network or a clear refusal, whatever shapes and fields are changed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...bases),
        fc.array(fc.tuple(fc.nat(), odd), { maxLength: 3 }),
        fc.array(fc.tuple(fc.nat(), oddValue), { maxLength: 2 }),
        fc.option(fc.nat(), { nil: undefined }),
        ([shapes, config], changes, fields, without) => {
          const names = Object.keys(shapes);
          const changed = new Map(Object.entries(shapes));
          for (const [index, shape] of changes) changed.set(names[index % names.length] ?? '', shape);
          if (without !== undefined) changed.delete(names[without % names.length] ?? '');
          const document: Record<string, unknown> = { ...config };
          const keys = [...Object.keys(document), 'rope_parameters', 'hidden_size', 'architectures', 'model_type'];
          for (const [index, value] of fields) document[keys[index % keys.length] ?? ''] = value;
          const tensors = new Map<string, Tensor>(
            [...changed].flatMap(([name, shape]) => {
              const count = shape.reduce((product, size) => product * size, 1);
              return count > 10_000 ? [] : [[name, fromNumbers('float32', shape, new Float32Array(count))]];
            }),
          );
          try {
            const recognised = recognise(tensors, {
              config: { document: parseJson(JSON.stringify(document), 'config.json'), file: 'config.json' },
            });
            importNetwork(specOf(recognised, 'weights'), tensors);
          } catch (error) {
            if (!(error instanceof HopfcoleError)) throw error;
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
