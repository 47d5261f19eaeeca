import { HopfcoleError } from '../../files/error.ts';
import { build, Calls, globalOf, type Refuse } from './globals.ts';
import { Reader } from './reader.ts';
import { isDict, isObject, type PyDict, type PyList, type PyStorage, type PyValue } from './value.ts';

/** An honest pickler empties its stack every thousand items, tuples aside. */
const stackLimit = 250_000;

/**
 * Reads a pickle (protocols 0 to 5) without running anything: names outside the allow-list are refused as soon as they are mentioned,
 * and the few that are allowed are our own functions. Time and memory are bounded by the length of the pickle.
 * @throws UNSAFE_PICKLE naming what it wants to import or call; BAD_PICKLE when it is damaged.
 */
export function readPickle(bytes: Uint8Array, file: string): PyValue {
  return new Machine(bytes, file).run();
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #in: Reader;
  readonly #file: string;
  readonly #calls: Calls;
  readonly #stack: PyValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo: PyValue[] = [];
  #memoized = 0;
  #containers = 0;
  #opcodeAt = 0;

  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#in = new Reader(bytes, this.#bad);
    this.#file = file;
    this.#calls = new Calls(bytes.byteLength, this.#refuse);
  }

  run(): PyValue {
    for (;;) {
      this.#opcodeAt = this.#in.at;
      const opcode = this.#in.byte();
      if (opcode === 0x2e) return this.#stop();
      this.#step(opcode);
      if (this.#stack.length > stackLimit) throw this.#bad('the stack grows beyond all measure');
    }
  }

  #stop(): PyValue {
    const value = this.#pop();
    if (this.#stack.length > 0 || this.#marks.length > 0) throw this.#bad('it stops with more than one value');
    if (this.#in.rest() > 0) throw this.#bad('bytes follow the end');
    return value;
  }

  #step(opcode: number): void {
    switch (opcode) {
      // PROTO, FRAME
      case 0x80: {
        const protocol = this.#in.byte();
        if (protocol > 5) throw this.#bad(`protocol ${protocol} is not known`);
        return;
      }
      case 0x95: {
        const size = this.#in.uint64();
        if (size > this.#in.rest()) throw this.#bad(`a frame of ${size} bytes where ${this.#in.rest()} are left`);
        return;
      }
      // MARK, POP, POP_MARK, DUP
      case 0x28:
        this.#marks.push(this.#stack.length);
        return;
      case 0x30:
        if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
        else this.#pop();
        return;
      case 0x31:
        this.#popMark();
        return;
      case 0x32:
        this.#push(this.#top());
        return;
      // NONE, NEWTRUE, NEWFALSE
      case 0x4e:
        this.#push(null);
        return;
      case 0x88:
        this.#push(true);
        return;
      case 0x89:
        this.#push(false);
        return;
      default:
        if (this.#numbers(opcode) || this.#texts(opcode) || this.#containersOf(opcode) || this.#objects(opcode)) return;
        throw this.#bad(`opcode 0x${opcode.toString(16).padStart(2, '0')} is not known`);
    }
  }

  #numbers(opcode: number): boolean {
    switch (opcode) {
      case 0x4b: // BININT1
        this.#push(this.#in.byte());
        return true;
      case 0x4d: // BININT2
        this.#push(this.#in.uint16());
        return true;
      case 0x4a: // BININT
        this.#push(this.#in.int32());
        return true;
      case 0x8a: // LONG1
        this.#push(this.#in.long(this.#in.byte()));
        return true;
      case 0x8b: // LONG4
        this.#push(this.#in.long(this.#in.int32()));
        return true;
      case 0x47: // BINFLOAT, the one big-endian field
        this.#push(this.#in.float64());
        return true;
      case 0x49: {
        // INT, which also says booleans as 00 and 01
        const line = this.#in.line();
        this.#push(line === '00' ? false : line === '01' ? true : this.#in.decimal(line));
        return true;
      }
      case 0x4c: // LONG
        this.#push(this.#in.decimal(this.#in.line().replace(/L$/, '')));
        return true;
      case 0x46: {
        // FLOAT
        const line = this.#in.line();
        const value = { inf: Infinity, '-inf': -Infinity, nan: Number.NaN }[line] ?? Number(line === '' ? 'x' : line);
        if (Number.isNaN(value) && line !== 'nan') throw this.#bad('a damaged number');
        this.#push(value);
        return true;
      }
      default:
        return false;
    }
  }

  #texts(opcode: number): boolean {
    switch (opcode) {
      case 0x58: // BINUNICODE
        this.#push(this.#in.utf8(this.#in.uint32()));
        return true;
      case 0x8c: // SHORT_BINUNICODE
        this.#push(this.#in.utf8(this.#in.byte()));
        return true;
      case 0x8d: // BINUNICODE8
        this.#push(this.#in.utf8(this.#in.uint64()));
        return true;
      case 0x54: // BINSTRING
        this.#push(this.#in.oldString(this.#in.uint32()));
        return true;
      case 0x55: // SHORT_BINSTRING
        this.#push(this.#in.oldString(this.#in.byte()));
        return true;
      case 0x42: // BINBYTES
        this.#push(this.#in.take(this.#in.uint32()));
        return true;
      case 0x43: // SHORT_BINBYTES
        this.#push(this.#in.take(this.#in.byte()));
        return true;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        this.#push(this.#in.take(this.#in.uint64()));
        return true;
      case 0x53: {
        // STRING
        const quoted = /^'([^'\\]*)'$|^"([^"\\]*)"$/.exec(this.#in.line());
        if (quoted === null) throw this.#bad('a damaged string');
        this.#push(quoted[1] ?? quoted[2] ?? '');
        return true;
      }
      case 0x56: {
        // UNICODE
        const line = this.#in.line();
        if (line.includes('\\')) throw this.#bad('escapes in text pickles are not read');
        this.#push(line);
        return true;
      }
      default:
        return false;
    }
  }

  #containersOf(opcode: number): boolean {
    switch (opcode) {
      case 0x5d: // EMPTY_LIST
        this.#push(this.#list([]));
        return true;
      case 0x6c: // LIST
        this.#push(this.#list(this.#popMark()));
        return true;
      case 0x29: // EMPTY_TUPLE
        this.#push(this.#tuple([]));
        return true;
      case 0x74: // TUPLE
        this.#push(this.#tuple(this.#popMark()));
        return true;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.#push(this.#tuple(this.#popMany(opcode - 0x84)));
        return true;
      case 0x7d: // EMPTY_DICT
        this.#push(this.#dict([]));
        return true;
      case 0x64: // DICT
        this.#push(this.#dict(this.#popMark()));
        return true;
      case 0x8f: // EMPTY_SET
        this.#count();
        this.#push({ kind: 'set', items: new Set() });
        return true;
      case 0x91: // FROZENSET
        this.#count();
        this.#push({ kind: 'set', items: new Set(this.#popMark()) });
        return true;
      case 0x61: // APPEND
        this.#append([this.#pop()]);
        return true;
      case 0x65: // APPENDS
        this.#append(this.#popMark());
        return true;
      case 0x73: // SETITEM
        this.#setItems(this.#popMany(2));
        return true;
      case 0x75: // SETITEMS
        this.#setItems(this.#popMark());
        return true;
      case 0x90: {
        // ADDITEMS
        const items = this.#popMark();
        const set = this.#top();
        if (!isObject(set) || set.kind !== 'set') throw this.#bad('items are added to what is no set');
        for (const item of items) set.items.add(item);
        return true;
      }
      default:
        return false;
    }
  }

  #objects(opcode: number): boolean {
    switch (opcode) {
      case 0x70: // PUT
        this.#put(Number(this.#in.decimal(this.#in.line())));
        return true;
      case 0x71: // BINPUT
        this.#put(this.#in.byte());
        return true;
      case 0x72: // LONG_BINPUT
        this.#put(this.#in.uint32());
        return true;
      case 0x94: // MEMOIZE
        this.#put(this.#memoized);
        return true;
      case 0x67: // GET
        this.#push(this.#get(Number(this.#in.decimal(this.#in.line()))));
        return true;
      case 0x68: // BINGET
        this.#push(this.#get(this.#in.byte()));
        return true;
      case 0x6a: // LONG_BINGET
        this.#push(this.#get(this.#in.uint32()));
        return true;
      case 0x63: {
        // GLOBAL
        const module = this.#in.line();
        this.#push(globalOf(module, this.#in.line(), this.#refuse));
        return true;
      }
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') throw this.#bad('a name that is no string');
        this.#push(globalOf(module, name, this.#refuse));
        return true;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callee, args] = this.#popMany(2) as [PyValue, PyValue];
        this.#call(callee, args);
        return true;
      }
      case 0x92: {
        // NEWOBJ_EX
        const [callee, args, named] = this.#popMany(3) as [PyValue, PyValue, PyValue];
        if (!isDict(named) || named.entries.size > 0) throw this.#refuse('it calls something with named arguments');
        this.#call(callee, args);
        return true;
      }
      case 0x69: {
        // INST
        const module = this.#in.line();
        const callee = globalOf(module, this.#in.line(), this.#refuse);
        this.#call(callee, this.#tuple(this.#popMark()));
        return true;
      }
      case 0x6f: {
        // OBJ
        const [callee, ...args] = this.#popMark();
        if (callee === undefined) throw this.#bad('it calls nothing');
        this.#call(callee, this.#tuple(args));
        return true;
      }
      case 0x62: {
        // BUILD
        const state = this.#pop();
        build(this.#top(), state, this.#refuse);
        return true;
      }
      case 0x51: // BINPERSID
        this.#push(this.#storage(this.#pop()));
        return true;
      case 0x50:
        throw this.#refuse('it refers to something outside the file by a text name');
      case 0x82:
      case 0x83:
      case 0x84:
        throw this.#refuse('it uses the extension registry');
      case 0x97:
      case 0x98:
        throw this.#refuse('it refers to a buffer outside the file');
      default:
        return false;
    }
  }

  #call(callee: PyValue, args: PyValue): void {
    if (!isObject(callee) || callee.kind !== 'global') throw this.#refuse('it calls a value that is no allowed name');
    if (!isObject(args) || args.kind !== 'tuple')
      throw this.#bad(`${callee.name} is called without a tuple of arguments`);
    this.#count();
    this.#push(this.#calls.call(callee.name, args.items));
  }

  /** torch.save's persistent ids: ('storage', storage type, key, location, number of elements). */
  #storage(id: PyValue): PyStorage {
    if (!isObject(id) || id.kind !== 'tuple' || id.items[0] !== 'storage')
      throw this.#refuse('it refers to something outside the file that is no storage');
    this.#count();
    return this.#calls.storage(id.items);
  }

  #append(items: readonly PyValue[]): void {
    const list = this.#top();
    if (!isObject(list) || list.kind !== 'list') throw this.#bad('items are appended to what is no list');
    for (const item of items) list.items.push(item);
  }

  #setItems(items: readonly PyValue[]): void {
    const dict = this.#top();
    if (!isDict(dict)) throw this.#bad('items are set in what is no dict');
    this.#fill(dict, items);
  }

  #fill(dict: PyDict, items: readonly PyValue[]): void {
    if (items.length % 2 !== 0) throw this.#bad('a key without a value');
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i] as PyValue;
      if (isObject(key) && key.kind !== 'tuple' && key.kind !== 'global') throw this.#bad(`a ${key.kind} as a key`);
      dict.entries.set(key, items[i + 1] as PyValue);
    }
  }

  #list(items: PyValue[]): PyList {
    this.#count();
    return { kind: 'list', items };
  }

  #tuple(items: readonly PyValue[]): PyValue {
    this.#count();
    return { kind: 'tuple', items };
  }

  #dict(items: readonly PyValue[]): PyDict {
    this.#count();
    const dict: PyDict = { kind: 'dict', ordered: false, entries: new Map() };
    this.#fill(dict, items);
    return dict;
  }

  /** One byte of a hostile pickle can make a hundred in memory. */
  #count(): void {
    this.#containers += 1;
    if (this.#containers > 1_000_000 + this.#bytes.byteLength / 16)
      throw this.#bad('more containers than its length allows');
  }

  #push(value: PyValue): void {
    this.#stack.push(value);
  }

  #pop(): PyValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.#bad('the stack is empty');
    return this.#stack.pop() as PyValue;
  }

  #popMany(count: number): PyValue[] {
    if (this.#stack.length - count < (this.#marks.at(-1) ?? 0))
      throw this.#bad('it takes more from the stack than is there');
    return this.#stack.splice(this.#stack.length - count, count);
  }

  #popMark(): PyValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#bad('a group ends that did not begin');
    return this.#stack.splice(mark);
  }

  #top(): PyValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.#bad('the stack is empty');
    return this.#stack[this.#stack.length - 1] as PyValue;
  }

  #put(index: number): void {
    if (!(index >= 0 && index <= this.#bytes.byteLength)) throw this.#bad(`memo index ${index} is out of range`);
    if (this.#memo[index] === undefined) this.#memoized += 1;
    this.#memo[index] = this.#top();
  }

  #get(index: number): PyValue {
    const value = this.#memo[index];
    if (value === undefined) throw this.#bad(`memo ${index} was never put`);
    return value;
  }

  readonly #bad = (message: string): HopfcoleError => {
    return new HopfcoleError(
      'BAD_PICKLE',
      `not a sound pickle: ${message}`,
      { file: this.#file, at: this.#opcodeAt },
      'Save the checkpoint again',
    );
  };

  readonly #refuse: Refuse = (message, code) => {
    const { code: word, hint } =
      code === 'BAD_PICKLE'
        ? { code, hint: 'Save the checkpoint again' }
        : {
            code: 'UNSAFE_PICKLE',
            hint: 'Nothing of it was run. Save only the state dict: torch.save(model.state_dict(), path)',
          };
    return new HopfcoleError(word, message, { file: this.#file, at: this.#opcodeAt }, hint);
  };
}
