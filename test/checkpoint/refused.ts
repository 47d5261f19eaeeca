import { describe, expect, it } from 'vitest';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { memorySource } from '../../src/files/source.ts';
import { join, op, state, tensor, torchZip } from './assemble.ts';

/** What is wrong, the code of the error, the file. */
export type Case = readonly [what: string, code: string | RegExp, make: () => Uint8Array | Promise<Uint8Array>];

export const four = { '0': new Uint8Array(16) };
export const pickled = (bytes: Uint8Array) => () => torchZip(bytes, four);
export const good = () => torchZip(state({ w: tensor([2, 2], [2, 1]) }), four);
export const call = (module: string, name: string, args: Uint8Array | string = '') =>
  join(op.proto, op.global(module, name), '(', args, 'tR.');
/** NEWOBJ: an object of a class, made without its `__init__`. */
export const newObject = (module: string, name: string, args: Uint8Array | string = ')') =>
  join(op.global(module, name), args, [0x81]);
export const changed = async (
  bytes: Uint8Array | Promise<Uint8Array>,
  change: (view: DataView, bytes: Uint8Array) => void,
) => {
  const copy = (await bytes).slice();
  change(new DataView(copy.buffer), copy);
  return copy;
};
/** Where a signature stands the nth time from the start. */
export const find = (bytes: Uint8Array, signature: number, nth = 0) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let left = nth;
  for (let i = 0; i + 4 <= bytes.byteLength; i++) if (view.getUint32(i, true) === signature && left-- === 0) return i;
  throw new Error('no such signature');
};
export const local = 0x04034b50;
export const central = 0x02014b50;
export const end = 0x06054b50;
export const at =
  (signature: number, offset: number, bits: 16 | 32, value: number, nth = 0) =>
  () =>
    changed(good(), (view, bytes) => {
      const place = find(bytes, signature, nth) + offset;
      bits === 16 ? view.setUint16(place, value, true) : view.setUint32(place, value, true);
    });

/** Each file is refused with its code, on one line, in bounded time and memory. */
export function refuses(group: string, list: readonly Case[], milliseconds = 20_000): void {
  describe(`hostile ${group}`, () => {
    for (const [what, code, make] of list)
      it(what, async () => {
        const bytes = await make();
        const began = performance.now();
        const rss = process.memoryUsage().rss;
        const problem = await verifyCheckpoint(memorySource(bytes, 'x')).then(
          () => undefined,
          (error) => error,
        );
        expect(problem).toBeInstanceOf(HopfcoleError);
        expect(problem.code, problem.line()).toMatch(typeof code === 'string' ? new RegExp(`^${code}$`) : code);
        expect(problem.line()).not.toMatch(/[\r\n\0]/);
        expect(problem.line().length).toBeLessThan(1000);
        expect(performance.now() - began).toBeLessThan(milliseconds);
        expect(process.memoryUsage().rss - rss).toBeLessThan(64 * 2 ** 20 + 60 * bytes.byteLength);
      });
  });
}
