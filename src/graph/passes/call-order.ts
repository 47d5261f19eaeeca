import { HopfcoleError } from '../../files/error.ts';

/**
 * Functions, of the IR or as messages, so ordered that each comes after those it calls. No recursion, however deep the calls.
 * @throws RECURSIVE_FUNCTION when one calls itself, directly or through others.
 */
export function calleesFirst<F extends { readonly name?: string | null }>(
  functions: readonly F[],
  calledBy: (definition: F) => Iterator<F>,
): F[] {
  const state = new Map<F, 'open' | 'done'>();
  const ordered: F[] = [];
  for (const start of functions) {
    if (state.has(start)) continue;
    state.set(start, 'open');
    const stack = [{ definition: start, calls: calledBy(start) }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.calls.next();
      if (next.done === true) {
        state.set(top.definition, 'done');
        ordered.push(top.definition);
        stack.pop();
      } else if (state.get(next.value) === 'open') {
        const open = stack.map(({ definition }) => definition);
        throw recursion([...open.slice(open.indexOf(next.value)), next.value].map(({ name }) => name ?? ''));
      } else if (!state.has(next.value)) {
        state.set(next.value, 'open');
        stack.push({ definition: next.value, calls: calledBy(next.value) });
      }
    }
  }
  return ordered;
}

function recursion(path: readonly string[]): HopfcoleError {
  const shown = path.length > 8 ? [...path.slice(0, 4), '...', ...path.slice(-3)] : path;
  const [called = ''] = path;
  return new HopfcoleError(
    'RECURSIVE_FUNCTION',
    `function ${called} calls itself: ${shown.join(' -> ')}`,
    { operator: called },
    'ONNX functions must not call themselves: use Loop or Scan instead',
  );
}
