/** Protobuf by hand, independent of the code under test. */
export function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  out.push(Number(rest));
  return Uint8Array.from(out);
}

export function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))));
}

/** A field of bytes, a string or a message. */
export function field(id: number, payload: Uint8Array | string): Uint8Array {
  const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
  return join(varint(id * 8 + 2), varint(bytes.length), bytes);
}

export function integer(id: number, value: number | bigint): Uint8Array {
  return join(varint(id * 8), varint(value));
}

/** A model (IR 10) of one graph. */
export function modelOf(graph: Uint8Array): Uint8Array {
  return join(integer(1, 10), field(7, graph));
}

/** A graph whose If nodes are nested `depth` deep, each in the then-branch of the last. */
export function nestedIfs(depth: number): Uint8Array {
  // Built inside out with lengths known in advance, so that 100,000 levels take linear time.
  const head: Uint8Array[] = [];
  let size = 0;
  const prepend = (bytes: Uint8Array) => {
    head.push(bytes);
    size += bytes.byteLength;
  };
  const open = (id: number) => prepend(join(varint(id * 8 + 2), varint(size)));
  prepend(field(2, 'innermost'));
  for (let level = 0; level < depth; level++) {
    open(6); // AttributeProto.g
    prepend(field(1, 'then_branch'));
    open(5); // NodeProto.attribute
    prepend(field(4, 'If'));
    open(1); // GraphProto.node
  }
  open(7); // ModelProto.graph
  prepend(integer(1, 10));
  return new Uint8Array(Buffer.concat(head.reverse()));
}
