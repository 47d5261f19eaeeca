import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { imported, type Loose, withJson } from './archives.ts';

const path = 'models/model.json';

async function refusal(bytes: Promise<Uint8Array>, milliseconds = 5000): Promise<HopfcoleError> {
  const given = await bytes;
  const began = performance.now();
  try {
    await imported(given);
  } catch (error) {
    expect(error).toBeInstanceOf(HopfcoleError);
    expect(performance.now() - began).toBeLessThan(milliseconds);
    expect((error as HopfcoleError).line().length).toBeLessThan(4000);
    return error as HopfcoleError;
  }
  throw new Error('it was taken');
}

const graph = (json: Loose): Loose => json.graph_module.graph;
const node = (json: Loose, index: number): Loose => graph(json).nodes[index];
const symbolic = (json: Loose): Loose => graph(json).tensor_values.x.sizes[0].as_expr;

/** One node that adds a tensor to itself. */
function adding(from: string, to: string): Loose {
  const side = (name: string) => ({ name, arg: { as_tensor: { name: from } }, kind: 1 });
  return {
    target: 'torch.ops.aten.add.Tensor',
    inputs: [side('self'), side('other')],
    outputs: [{ as_tensor: { name: to } }],
    metadata: {},
    is_hop_single_tensor_return: null,
    name: to,
  };
}

const versions: readonly (readonly [string, (json: Loose) => void, RegExp])[] = [
  [
    'a version to come',
    (json) => {
      json.schema_version.major = 9;
    },
    /UNSUPPORTED_SCHEMA/,
  ],
  [
    'a version of the past',
    (json) => {
      json.schema_version.major = 7;
    },
    /UNSUPPORTED_SCHEMA/,
  ],
  [
    'no version',
    (json) => {
      delete json.schema_version;
    },
    /UNSUPPORTED_SCHEMA/,
  ],
  [
    'a version that is a text',
    (json) => {
      json.schema_version = '8';
    },
    /BAD_PROGRAM/,
  ],
  [
    'a major version that is a text',
    (json) => {
      json.schema_version.major = '8';
    },
    /BAD_PROGRAM/,
  ],
];

const graphs: readonly (readonly [string, (json: Loose) => unknown, RegExp])[] = [
  [
    'no graph',
    (json) => {
      delete json.graph_module.graph;
    },
    /BAD_PROGRAM/,
  ],
  [
    'no graph module',
    (json) => {
      delete json.graph_module;
    },
    /BAD_PROGRAM/,
  ],
  [
    'a graph that is a list',
    (json) => {
      json.graph_module.graph = [];
    },
    /BAD_PROGRAM/,
  ],
  [
    'a graph without nodes',
    (json) => {
      delete graph(json).nodes;
    },
    /BAD_PROGRAM/,
  ],
  [
    'nodes that are texts',
    (json) => {
      graph(json).nodes = ['a', 'b'];
    },
    /BAD_PROGRAM/,
  ],
  [
    'a node that takes what no node gives',
    (json) => {
      node(json, 1).inputs[0].arg.as_tensor.name = 'nowhere';
    },
    /BAD_PROGRAM/,
  ],
  [
    'a node that takes what a later one gives',
    (json) => {
      node(json, 1).inputs[0].arg.as_tensor.name = 'add';
    },
    /BAD_PROGRAM/,
  ],
  [
    'a node that takes its own result',
    (json) => {
      node(json, 1).inputs[0].arg.as_tensor.name = 'relu';
    },
    /BAD_PROGRAM/,
  ],
  ['nodes that take each other', (json) => void graph(json).nodes.reverse(), /BAD_PROGRAM/],
  [
    'a value defined twice',
    (json) => {
      node(json, 1).outputs[0].as_tensor.name = 'linear';
    },
    /BAD_PROGRAM/,
  ],
  [
    'a node that gives an input',
    (json) => {
      node(json, 1).outputs[0].as_tensor.name = 'x';
    },
    /BAD_PROGRAM/,
  ],
  [
    'a node of no results',
    (json) => {
      node(json, 0).outputs = [];
    },
    /BAD_PROGRAM/,
  ],
  [
    'an input of no type',
    (json) => {
      delete graph(json).tensor_values.x;
    },
    /BAD_PROGRAM/,
  ],
  [
    'an output that no node gives',
    (json) => {
      json.graph_module.signature.output_specs[0].user_output.arg.as_tensor.name = 'gone';
    },
    /BAD_PROGRAM/,
  ],
  [
    'no outputs',
    (json) => {
      json.graph_module.signature.output_specs = [];
    },
    /BAD_PROGRAM/,
  ],
  [
    'no signature',
    (json) => {
      delete json.graph_module.signature;
    },
    /BAD_PROGRAM/,
  ],
  [
    'an input spec of an unknown kind',
    (json) => {
      json.graph_module.signature.input_specs[0] = { wormhole: {} };
    },
    /BAD_PROGRAM|UNSUPPORTED/,
  ],
  [
    'two weights of one name in the graph',
    (json) => {
      json.graph_module.signature.input_specs[1].parameter.arg.name = 'p_first_weight';
    },
    /BAD_PROGRAM/,
  ],
  [
    'a weight that the archive has not',
    (json) => {
      json.graph_module.signature.input_specs[0].parameter.parameter_name = 'third.weight';
    },
    /BAD_PROGRAM/,
  ],
  [
    'an argument of two kinds',
    (json) => {
      node(json, 0).inputs[0].arg.as_int = 3;
    },
    /BAD_PROGRAM/,
  ],
  [
    'an argument of no kind',
    (json) => {
      node(json, 0).inputs[0].arg = {};
    },
    /BAD_PROGRAM/,
  ],
  [
    'an argument of an unknown kind',
    (json) => {
      node(json, 0).inputs[0].arg = { as_spell: 'abracadabra' };
    },
    /BAD_PROGRAM|UNSUPPORTED/,
  ],
  [
    'a tensor where a number stands',
    (json) => void node(json, 6).inputs.push({ name: 'alpha', arg: { as_tensor: { name: 'x' } }, kind: 2 }),
    /BAD_PROGRAM|UNSUPPORTED|MISMATCH/,
  ],
  [
    'a text where a tensor stands',
    (json) => {
      node(json, 1).inputs[0].arg = { as_string: 'linear' };
    },
    /BAD_PROGRAM|UNSUPPORTED/,
  ],
  ['a missing argument', (json) => void node(json, 0).inputs.splice(1, 2), /BAD_PROGRAM|UNSUPPORTED/],
  [
    'an argument nobody knows',
    (json) => void node(json, 1).inputs.push({ name: 'speed', arg: { as_int: 3 }, kind: 2 }),
    /BAD_PROGRAM|UNSUPPORTED/,
  ],
  [
    'shapes that do not fit',
    (json) => {
      node(json, 0).inputs[1].arg.as_tensor.name = 'p_second_weight';
    },
    /BAD_PROGRAM|SHAPE|UNSUPPORTED|MISMATCH|DIM/,
  ],
  [
    'a negative size',
    (json) => {
      graph(json).tensor_values.x.sizes[1].as_int = -3;
    },
    /BAD_PROGRAM|SHAPE/,
  ],
  [
    'a size of a half',
    (json) => {
      graph(json).tensor_values.x.sizes[1].as_int = 2.5;
    },
    /BAD_PROGRAM/,
  ],
  [
    'a size of 2^60',
    (json) => {
      graph(json).tensor_values.x.sizes[1].as_int = 2 ** 60;
    },
    /BAD_PROGRAM|SHAPE|DIM|MISMATCH/,
  ],
  [
    'a tensor of a quantised type',
    (json) => {
      graph(json).tensor_values.x.dtype = 14;
    },
    /BAD_PROGRAM|UNSUPPORTED/,
  ],
  [
    'a tensor of an unknown type',
    (json) => {
      graph(json).tensor_values.x.dtype = 77;
    },
    /BAD_PROGRAM|UNSUPPORTED/,
  ],
  [
    'a target of no operator',
    (json) => {
      node(json, 1).target = 'torch.ops.aten.frobnicate.default';
    },
    /UNSUPPORTED_OPERATOR/,
  ],
  [
    'a target of a custom library',
    (json) => {
      node(json, 1).target = 'torch.ops.mylib.fast_relu.default';
    },
    /UNSUPPORTED_OPERATOR/,
  ],
  [
    'a target that is Python',
    (json) => {
      node(json, 1).target = 'os.system';
    },
    /UNSUPPORTED_OPERATOR/,
  ],
  [
    'a target of a prototype',
    (json) => {
      node(json, 1).target = 'torch.ops.__proto__';
    },
    /UNSUPPORTED_OPERATOR/,
  ],
  [
    'a target of a constructor',
    (json) => {
      node(json, 1).target = 'constructor';
    },
    /UNSUPPORTED_OPERATOR/,
  ],
  [
    'a target that is empty',
    (json) => {
      node(json, 1).target = '';
    },
    /UNSUPPORTED_OPERATOR/,
  ],
  [
    'a target that is a number',
    (json) => {
      node(json, 1).target = 3;
    },
    /BAD_PROGRAM/,
  ],
  [
    'a target of a megabyte',
    (json) => {
      node(json, 1).target = 'a'.repeat(1 << 20);
    },
    /UNSUPPORTED_OPERATOR/,
  ],
  ['a JSON too deep', () => `{"graph_module": $'{"a":'.repeat(200_000)`, /BAD_JSON/],
  ['a list too deep', () => '['.repeat(1_000_000), /BAD_JSON/],
  ['a JSON that ends early', (json) => JSON.stringify(json).slice(0, -40), /BAD_JSON/],
  ['a JSON of another value', () => '42', /BAD_PROGRAM|BAD_JSON/],
  [
    'a key given twice',
    (json) => JSON.stringify(json).replace('"torch_version"', '"opset_version"'),
    /BAD_JSON|BAD_PROGRAM/,
  ],
];

describe('a program of', () => {
  it.each(versions)('%s is refused', async (_, change, code) => {
    expect((await refusal(withJson('small', path, change))).code).toMatch(code);
  });
});

describe('a graph with', () => {
  it.each(graphs)('%s is refused', async (_, change, code) => {
    expect((await refusal(withJson('small', path, change))).code).toMatch(code);
  });

  it('many operators nobody has lists them all at once, with counts and modules', async () => {
    const error = await refusal(
      withJson('small', path, (json) => {
        for (const [index, name] of ['alpha', 'beta', 'alpha', 'gamma'].entries())
          node(json, [0, 1, 4, 5][index] ?? 0).target = `torch.ops.mylib.${name}.default`;
      }),
    );
    expect(error.code).toBe('UNSUPPORTED_OPERATOR');
    expect(error.message).toMatch(/mylib\.alpha\.default.*\(2x in first/);
    expect(error.message).toMatch(/mylib\.beta\.default.*\(1x/);
    expect(error.message).toMatch(/mylib\.gamma\.default.*\(1x in second/);
  });

  it('tens of thousands of nodes is read in time that grows with their number', async () => {
    const seconds = async (count: number): Promise<number> => {
      const bytes = await withJson('small', path, (json) => {
        const { nodes, tensor_values: types, outputs } = graph(json);
        for (let index = 0; index < count; index++) {
          nodes.push(adding(index === 0 ? 'add' : `t${index - 1}`, `t${index}`));
          types[`t${index}`] = types.add;
        }
        json.graph_module.signature.output_specs[0].user_output.arg.as_tensor.name = `t${count - 1}`;
        outputs[0].as_tensor.name = `t${count - 1}`;
      });
      const began = performance.now();
      const { model } = await imported(bytes);
      expect(model.graph.nodes.length).toBeGreaterThanOrEqual(count);
      return (performance.now() - began) / 1000;
    };
    await seconds(2000);
    const [few, many] = [await seconds(5000), await seconds(20_000)];
    expect(many).toBeLessThan(12 * few + 1);
  }, 120_000);
});

/** Sizes as expressions: whatever they say, nothing is evaluated; what is not understood is a size of which nothing is known. */
const expressions: readonly (readonly [string, string])[] = [
  ['Python', "__import__('os').system('touch /tmp/hopfcole-expression')"],
  ['JavaScript', 'process.exit(3)'],
  ['a constructor', "constructor.constructor('return process')()"],
  ['an unknown function', "Hypergeometric(Symbol('s77', positive=True, integer=True), Integer(2))"],
  ['nothing', ''],
  ['a million characters', 's77+'.repeat(250_000).concat('1')],
  ['a million brackets', '('.repeat(500_000) + ')'.repeat(500_000)],
  ['a deep sum', `${'Add(Integer(1), '.repeat(5000)}Symbol('s77')${')'.repeat(5000)}`],
  ['a power tower', `${'Pow('.repeat(30)}Symbol('s77')${', Integer(99))'.repeat(30)}`],
  [
    'a product that explodes',
    `Mul(${Array.from({ length: 60 }, (_, i) => `Add(Symbol('a${i}'), Symbol('b${i}'))`).join(', ')})`,
  ],
  ['a division by nothing', "FloorDiv(Symbol('s77'), Integer(0))"],
  ['a negative power', "Pow(Symbol('s77'), Integer(-1000000))"],
  ['a number of a thousand digits', `Integer(${'9'.repeat(1000)})`],
  ['half a symbol', "Symbol('s77', positive=True"],
  ['a symbol of a strange name', "Symbol('__proto__')"],
];

describe('a size that is', () => {
  it.each(expressions)('%s is a size of which nothing is known, or refused', async (_, text) => {
    const bytes = await withJson('small', path, (json) => {
      symbolic(json).expr_str = text;
    });
    const began = performance.now();
    try {
      const { model } = await imported(bytes);
      expect(model.graph.inputs[0]?.shape?.length).toBe(2);
    } catch (error) {
      expect(error).toBeInstanceOf(HopfcoleError);
    }
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it('ranges of absurd bounds are taken or refused', async () => {
    for (const bound of [-1e300, 1e300, 'Infinity', null, 2 ** 63]) {
      const bytes = await withJson('small', path, (json) => {
        json.range_constraints.s77.max_val = bound;
      });
      await imported(bytes).catch((error) => expect(error).toBeInstanceOf(HopfcoleError));
    }
  });
});

/** Treespecs name outputs and no more: whatever is wrong with one, outputs have the names that the graph gives them. */
const trees: readonly (readonly [string, string])[] = [
  ['no JSON', 'TreeSpec(dict, [*, *])'],
  ['another version', '[9, {"type": null, "context": null, "children_spec": []}]'],
  ['one leaf too few', '[1, {"type": null, "context": null, "children_spec": []}]'],
  ['a deep tree', `[1, ${'{"type": "builtins.list", "context": "null", "children_spec": ['.repeat(3000)}`],
  [
    'a class that would run code',
    '[1, {"type": "os.system", "context": "\\"touch /tmp/x\\"", "children_spec": [{"type": null, "context": null, "children_spec": []}, {"type": null, "context": null, "children_spec": []}]}]',
  ],
  [
    'keys of paths',
    '[1, {"type": "builtins.dict", "context": "[\\"../../a\\", \\"b\\\\u0000\\"]", "children_spec": [{"type": null, "context": null, "children_spec": []}, {"type": null, "context": null, "children_spec": []}]}]',
  ],
  [
    'two equal keys',
    '[1, {"type": "builtins.dict", "context": "[\\"y\\", \\"y\\"]", "children_spec": [{"type": null, "context": null, "children_spec": []}, {"type": null, "context": null, "children_spec": []}]}]',
  ],
];

describe('a treespec of', () => {
  it.each(trees)('%s leaves two outputs of different, harmless names', async (_, spec) => {
    const bytes = await withJson('small', path, (json) => {
      json.graph_module.module_call_graph[0].signature.out_spec = spec;
    });
    const names = (await imported(bytes)).model.graph.outputs.map(({ name }) => name);
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_.-]+$/);
  });
});

describe('a branch', () => {
  const cond = (json: Loose): Loose => graph(json).nodes.find(({ target }: Loose) => target.endsWith('.cond'));
  const branch = (json: Loose): Loose => cond(json).inputs[1].arg.as_graph.graph;
  const cases: readonly (readonly [string, (json: Loose) => void])[] = [
    [
      'without a graph',
      (json) => {
        delete cond(json).inputs[1].arg.as_graph.graph;
      },
    ],
    ['that takes more than it is given', (json) => void branch(json).inputs.push({ as_tensor: { name: 'more' } })],
    ['that gives nothing', (json) => void branch(json).outputs.pop()],
    [
      'that gives what it does not have',
      (json) => {
        branch(json).outputs[0].as_tensor.name = 'gone';
      },
    ],
    [
      'that is a number',
      (json) => {
        cond(json).inputs[1].arg = { as_int: 3 };
      },
    ],
    ['without its condition', (json) => void cond(json).inputs.shift()],
  ];

  it('as it was saved is taken', async () => {
    const { model } = await imported(await withJson('branching', path, () => undefined));
    expect(model.graph.nodes.some(({ opType }) => opType === 'If')).toBe(true);
  });

  it.each(cases)('%s is refused', async (_, change) => {
    expect((await refusal(withJson('branching', path, change))).code).toMatch(/BAD_|UNSUPPORTED|ARITY/);
  });

  it('within branches without end is refused', async () => {
    const bytes = withJson('branching', path, (json) => {
      const place = JSON.stringify(cond(json));
      const nested = place.replace(JSON.stringify(branch(json).nodes), '["@"]');
      let text = place;
      for (let depth = 0; depth < 200; depth++) text = nested.replace('"@"', () => text);
      return JSON.stringify(json).replace(place, () => text);
    });
    expect((await refusal(bytes)).code).toMatch(/BAD_|UNSUPPORTED/);
  });
});

describe('an archive of two programs', () => {
  it('asks which, lists them, and gives each', async () => {
    const bytes = await withJson('methods', 'models/encode.json', () => undefined);
    const error = await refusal(Promise.resolve(bytes));
    expect(error.code).toBe('AMBIGUOUS_PROGRAM');
    expect(error.message).toContain("'encode', 'decode'");
    for (const [method, used] of [
      ['encode', ['weight', 'bias']],
      ['decode', ['1.weight', '1.bias']],
    ] as const) {
      const program = await imported(bytes, 'methods.pt2', method);
      expect(program.methods).toEqual(['encode', 'decode']);
      expect(program.parameters.used).toEqual(used);
    }
    await expect(imported(bytes, 'methods.pt2', 'train')).rejects.toMatchObject({ code: 'AMBIGUOUS_PROGRAM' });
  });
});
