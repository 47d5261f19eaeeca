import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { memorySource } from '../../src/files/source.ts';
import { tensorOf, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import { withDetached, withModule } from '../../src/graph/module-path.ts';
import * as op from '../../src/graph/op.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/node/open.ts';

const x = () => input('x', 'float32', [2]);
const w = () => parameter('w', tensorOf('float32', [2], new Float32Array([3, 5])));

async function gradients(given: Model, wrt: string[]): Promise<Record<string, number[]>> {
  const session = await openSession(encodeModel(toProto(costate(given, { wrt }).model)), { provider: 'cpu' });
  const { outputs } = await session.run(new Map([['x', tensorOf('float32', [2], new Float32Array([1, 2]))]]));
  await session.close();
  return Object.fromEntries(wrt.map((name) => [name, [...toNumbers(outputs.get(`costate_${name}`) as never)]]));
}

/** w x + detach(w x) w, whose derivative by w is x + detach(w x). */
function build(): Model {
  const [a, b] = [x(), w()];
  const product = op.mul(a, b);
  const still = withModule('inner', () => withDetached(() => withModule('deeper', () => op.identity(product))));
  return model({ inputs: [a], outputs: [{ name: 'y', value: op.add(product, op.mul(still, b)) }] });
}

describe('a detached node', () => {
  it('passes no co-state', async () => {
    expect(await gradients(build(), ['w', 'x'])).toEqual({ w: [1 + 3, 2 + 10], x: [3, 5] });
  });

  it('stays so in a file', async () => {
    const read = await fromProto(await readModel(memorySource(encodeModel(toProto(build())))));
    expect(await gradients(read, ['w'])).toEqual({ w: [4, 12] });
  });

  it('leaves zeros where all that depends on a parameter goes through it', async () => {
    const [a, b] = [x(), w()];
    const scale = withDetached(() => op.exp(b));
    const made = model({ inputs: [a], outputs: [{ name: 'y', value: op.mul(a, scale) }] });
    expect(await gradients(made, ['w'])).toEqual({ w: [0, 0] });
  });
});
