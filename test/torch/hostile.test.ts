import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { memorySink } from '../../src/files/sink.ts';
import { load } from '../../src/files/tensor.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { imported, type Loose, overwritten, takenApart, withEntries, withJson, zipped } from './archives.ts';

const model = 'models/model.json';
const weights = 'weights/model_weights_config.json';

/** What the import of such bytes is refused with; everything that it may not do is watched. */
async function refusal(bytes: Uint8Array | Promise<Uint8Array>): Promise<HopfcoleError> {
  const given = await bytes;
  const began = performance.now();
  try {
    const { model } = await imported(given);
    for (const { source } of model.graph.parameters) if (source.kind === 'parameter') await load(source.tensor);
  } catch (error) {
    expect(error).toBeInstanceOf(HopfcoleError);
    expect(performance.now() - began).toBeLessThan(5000);
    expect((error as HopfcoleError).line().length).toBeLessThan(4000);
    return error as HopfcoleError;
  }
  throw new Error('it was taken');
}

async function written(bytes: Uint8Array): Promise<Uint8Array> {
  const sink = memorySink();
  await writeModel(toProto((await imported(bytes)).model), sink);
  return sink.bytes();
}

const meta = (json: Loose, name = 'first.weight'): Loose => json.config[name].tensor_meta;
const text = (value: string) => new TextEncoder().encode(value);

describe('a good archive', () => {
  it('is taken, and nothing of stack traces or paths of sources is kept', async () => {
    const onnx = await written(await zipped(await takenApart('small')));
    const all = Buffer.from(onnx).toString('latin1');
    expect(all).toContain('first.weight');
    expect(all).not.toMatch(/secret|someone|model\.py|stack_trace/);
  });

  it('is taken compressed, and gives the same', async () => {
    const plain = await zipped(await takenApart('small'));
    const packed = await zipped(await takenApart('small'), { deflate: true });
    expect(packed.length).toBeLessThan(plain.length);
    expect(Buffer.from(await written(packed)).equals(await written(plain))).toBe(true);
  });

  it('is taken with a newer minor version and members nobody knows', async () => {
    const bytes = await withJson('small', model, (json) => {
      json.schema_version.minor = 99;
      json.graph_module.graph.nodes[0].surprise = { deep: [1, null, { a: 'b' }] };
      json.novelty = 'x';
    });
    expect((await imported(bytes)).parameters.used).toHaveLength(5);
  });

  it('is taken with its entries in another order, under another root', async () => {
    const entries = [...(await takenApart('small'))].reverse();
    const bytes = await zipped(entries.map(([path, value]) => [path.replace(/^small\//, 'other/'), value]));
    expect((await imported(bytes)).parameters.used).toHaveLength(5);
  });
});

/** Archives: what is in them, and what they say of it. */
const archives: readonly (readonly [string, () => Promise<Uint8Array>, RegExp])[] = [
  ['no bytes', async () => new Uint8Array(0), /BAD_ZIP|NOT_A/],
  ['no zip', async () => text('PK but not much more'.repeat(20)), /BAD_ZIP|NOT_A/],
  ['cut off', async () => (await zipped(await takenApart('small'))).slice(0, -600), /BAD_ZIP/],
  ['cut in the middle', async () => (await zipped(await takenApart('small'))).slice(0, 5000), /BAD_ZIP/],
  ['no program', () => withEntries('small', (all) => all.delete('small/models/model.json')), /NOT_A_PROGRAM/],
  ['an archive of one text', async () => zipped([['readme.txt', text('hello')]]), /NOT_A_PROGRAM/],
  [
    'an AOTInductor package',
    async () =>
      zipped([
        ['x/archive_format', text('pt2')],
        ['x/data/aotinductor/model/c.so', text('\x7fELF')],
      ]),
    /NOT_A_PROGRAM/,
  ],
  [
    'an AOTInductor package of the earlier layout',
    async () =>
      zipped([
        ['data/aotinductor/model/c.cpp', text('int main;')],
        ['version', text('0')],
      ]),
    /NOT_A_PROGRAM/,
  ],
  [
    'a weights file that is missing',
    () => withEntries('small', (all) => all.delete('small/data/weights/weight_0')),
    /BAD_PROGRAM/,
  ],
  [
    'a weights file cut short',
    () => withEntries('small', (all) => all.set('small/data/weights/weight_0', new Uint8Array(44))),
    /BAD_PROGRAM/,
  ],
  ['a config that is missing', () => withEntries('small', (all) => all.delete(`small/data/${weights}`)), /BAD_PROGRAM/],
  [
    'a program that is no UTF-8',
    () => withEntries('small', (all) => all.set('small/models/model.json', new Uint8Array(64).fill(0xff))),
    /BAD_PROGRAM|BAD_JSON/,
  ],
  [
    'a config that is no UTF-8',
    () => withEntries('small', (all) => all.set(`small/data/${weights}`, new Uint8Array(64).fill(0xff))),
    /BAD_PROGRAM|BAD_JSON/,
  ],
  [
    'a program that is empty',
    () => withEntries('small', (all) => all.set('small/models/model.json', text(''))),
    /BAD_JSON/,
  ],
  [
    'a byte order nobody has',
    () => withEntries('small', (all) => all.set('small/byteorder', text('middle'))),
    /BAD_PROGRAM/,
  ],
  [
    'a byte order of a megabyte',
    () => withEntries('small', (all) => all.set('small/byteorder', new Uint8Array(1 << 20))),
    /BAD_PROGRAM/,
  ],
  [
    'two entries of one name',
    async () => {
      const entries = await takenApart('small');
      const bytes = entries.get('small/data/weights/weight_0') ?? new Uint8Array(0);
      entries.set(
        'small/data/weights/wei9ht_0',
        bytes.map(() => 7),
      );
      return overwritten(await zipped(entries), 'small/data/weights/wei9ht_0', 'small/data/weights/weight_0');
    },
    /BAD_ZIP/,
  ],
  [
    'an entry that says it is larger than the archive',
    async () => resized(await zipped(await takenApart('small')), 'small/data/weights/weight_0', 0x7fffff00),
    /BAD_ZIP|BAD_PROGRAM/,
  ],
  [
    'an entry that says it is smaller than it is',
    async () => resized(await zipped(await takenApart('small'), { deflate: true }), 'small/models/model.json', 100),
    /BAD_ZIP|BAD_JSON/,
  ],
  [
    'a program whose bytes were changed',
    async () => overwritten(await zipped(await takenApart('small')), '"schema_version"', '"schema_versiox"'),
    /BAD_ZIP/,
  ],
  [
    'a compressed bomb',
    async () => {
      const entries = await takenApart('small');
      entries.set('small/models/model.json', new Uint8Array(200 << 20).fill(0x20));
      return zipped(entries, { deflate: true });
    },
    /BAD_ZIP|BAD_PROGRAM|BAD_JSON/,
  ],
];

/** The archive with the sizes in an entry's directory record overwritten. */
function resized(bytes: Uint8Array, name: string, size: number): Uint8Array {
  const copy = Buffer.from(bytes);
  let at = copy.lastIndexOf(name);
  at -= 46;
  expect(copy.readUInt32LE(at)).toBe(0x02014b50);
  copy.writeUInt32LE(size, at + 24);
  return new Uint8Array(copy);
}

/** Configs of weights that lie. */
const configs: readonly (readonly [string, (json: Loose) => Loose, RegExp])[] = [
  [
    'sizes beyond the file',
    (json) => {
      meta(json).sizes[0].as_int = 5;
    },
    /BAD_PROGRAM/,
  ],
  [
    'sizes of a terabyte',
    (json) => {
      meta(json).sizes[0].as_int = 2 ** 40;
    },
    /BAD_PROGRAM/,
  ],
  [
    'sizes whose product overflows',
    (json) => {
      meta(json).sizes = Array(8).fill({ as_int: 2 ** 50 });
    },
    /BAD_PROGRAM/,
  ],
  [
    'a negative size',
    (json) => {
      meta(json).sizes[0].as_int = -4;
    },
    /BAD_PROGRAM/,
  ],
  [
    'a size that is no integer',
    (json) => {
      meta(json).sizes[0].as_int = 1.5;
    },
    /BAD_PROGRAM/,
  ],
  [
    'a size that is a text',
    (json) => {
      meta(json).sizes[0].as_int = '4';
    },
    /BAD_PROGRAM/,
  ],
  [
    'a size that is an expression',
    (json) => {
      meta(json).sizes[0] = { as_expr: { expr_str: 's0', hint: null } };
    },
    /BAD_PROGRAM/,
  ],
  [
    'strides that run over the file',
    (json) => {
      meta(json).strides[0].as_int = 1000;
    },
    /BAD_PROGRAM/,
  ],
  [
    'negative strides',
    (json) => {
      meta(json).strides[0].as_int = -3;
    },
    /BAD_PROGRAM/,
  ],
  ['fewer strides than sizes', (json) => meta(json).strides.pop(), /BAD_PROGRAM/],
  [
    'an offset beyond the file',
    (json) => {
      meta(json).storage_offset.as_int = 1;
    },
    /BAD_PROGRAM/,
  ],
  [
    'an offset of 2^53',
    (json) => {
      meta(json).storage_offset.as_int = 2 ** 53 - 1;
    },
    /BAD_PROGRAM/,
  ],
  [
    'a negative offset',
    (json) => {
      meta(json).storage_offset.as_int = -1;
    },
    /BAD_PROGRAM/,
  ],
  [
    'a wider type than its file',
    (json) => {
      meta(json).dtype = 8;
    },
    /BAD_PROGRAM/,
  ],
  [
    'another type than the graph',
    (json) => {
      meta(json).dtype = 4;
    },
    /BAD_PROGRAM/,
  ],
  [
    'a type nobody knows',
    (json) => {
      meta(json).dtype = 999;
    },
    /BAD_PROGRAM/,
  ],
  [
    'a sparse layout',
    (json) => {
      meta(json).layout = 1;
    },
    /BAD_PROGRAM/,
  ],
  [
    'no tensor_meta',
    (json) => {
      delete json.config['first.weight'].tensor_meta;
    },
    /BAD_PROGRAM/,
  ],
  [
    'a weight of the wrong shape',
    (json) => {
      meta(json).sizes = [{ as_int: 3 }, { as_int: 4 }];
    },
    /BAD_PROGRAM/,
  ],
  [
    'a weight that is missing',
    (json) => {
      delete json.config['second.bias'];
    },
    /BAD_PROGRAM/,
  ],
  [
    'no config',
    (json) => {
      delete json.config;
    },
    /BAD_PROGRAM/,
  ],
  ['a config that is a list', () => [], /BAD_PROGRAM/],
  [
    'a path to the outside',
    (json) => {
      json.config['first.weight'].path_name = '../../../../etc/passwd';
    },
    /PATH_OUTSIDE_MODEL/,
  ],
  [
    'an absolute path',
    (json) => {
      json.config['first.weight'].path_name = '/etc/passwd';
    },
    /PATH_OUTSIDE_MODEL/,
  ],
  [
    'a path of a drive',
    (json) => {
      json.config['first.weight'].path_name = 'C:\\secret';
    },
    /PATH_OUTSIDE_MODEL/,
  ],
  [
    'a path with a zero',
    (json) => {
      json.config['first.weight'].path_name = 'weight_0\0';
    },
    /PATH_OUTSIDE_MODEL/,
  ],
  [
    'a path that is a number',
    (json) => {
      json.config['first.weight'].path_name = 7;
    },
    /BAD_PROGRAM/,
  ],
  [
    'ones repeated to a gigabyte',
    (json) => {
      meta(json).sizes = [{ as_int: 2 ** 28 }];
      meta(json).strides = [{ as_int: 0 }];
    },
    /BAD_PROGRAM/,
  ],
  ['a text of a JSON bomb', () => `{"config": ${'['.repeat(100_000)}`, /BAD_JSON/],
  ['numbers of a thousand digits', () => `{"config": {"first.weight": ${'9'.repeat(1000)}}}`, /BAD_JSON|BAD_PROGRAM/],
];

describe('an archive with', () => {
  it.each(archives)('%s is refused', async (_, bytes, code) => {
    expect((await refusal(bytes())).code).toMatch(code);
  });
});

describe('a config with', () => {
  it.each(configs)('%s is refused', async (_, change, code) => {
    const bytes = withJson('small', weights, (json) => {
      const changed = change(json);
      return typeof changed === 'string' || (Array.isArray(changed) && changed.length === 0) ? changed : json;
    });
    expect((await refusal(bytes)).code).toMatch(code);
  });

  it('everything missing tells all names at once', async () => {
    const error = await refusal(
      withJson('small', weights, (json) => {
        json.config = {};
      }),
    );
    for (const name of ['first.weight', 'first.bias', 'second.weight', 'second.bias', 'shift'])
      expect(error.message).toContain(name);
  });
});

/** A pickle of protocol 2 that calls a function of a module with one text. */
function calling(module: string, name: string, argument: string): Uint8Array {
  const words = text(argument);
  return new Uint8Array([
    ...[0x80, 2],
    ...text(`c${module}\n${name}\n`),
    ...[0x58, words.length, 0, 0, 0],
    ...words,
    ...[0x85, 0x52, 0x2e],
  ]);
}

describe('a weight marked as pickled', () => {
  const marker = join(tmpdir(), 'hopfcole-hostile-pt2');
  const calls: readonly (readonly [string, string])[] = [
    ['os', 'system'],
    ['posix', 'system'],
    ['builtins', 'eval'],
    ['builtins', '__import__'],
    ['subprocess', 'Popen'],
    ['torch', 'load'],
  ];
  it.each(calls)('that calls %s.%s is refused, and nothing runs', async (module, name) => {
    const pickle = calling(module, name, `touch ${marker}`);
    const file = await zipped([
      ['archive/data.pkl', pickle],
      ['archive/version', text('3\n')],
    ]);
    for (const payload of [pickle, file]) {
      const entries = await takenApart('small');
      const path = `small/data/${weights}`;
      const json = JSON.parse(new TextDecoder().decode(entries.get(path)));
      json.config['first.weight'].use_pickle = true;
      entries.set(path, text(JSON.stringify(json)));
      entries.set('small/data/weights/weight_0', payload);
      const error = await refusal(zipped(entries));
      expect(error.code).not.toBe('INTERNAL');
    }
    expect(existsSync(marker)).toBe(false);
  });
});
