import { HopfcoleError } from '../../files/error.ts';
import { build } from './build.ts';
import { Calls, type Manner } from './calls.ts';
import { containerOf, fill } from './containers.ts';
import { literalOf } from './literals.ts';
import { globalOf } from './names.ts';
import { ofArchive, type Persistent } from './persistent.ts';
import { Reader } from './reader.ts';
import type { Refuse } from './refuse.ts';
import { Stack } from './stack.ts';
import { isDict, isGlobal, isObject, type PyValue, tupleOf } from './value.ts';

export interface PickleOptions {
  /** What persistent ids stand for; by default the storages of a zip archive. */
  readonly persistent?: Persistent;
  /** Where the bytes are only the beginning of what there is: makes what is thrown when `needed` bytes would have to be there. */
  readonly onShort?: (needed: number) => unknown;
}

export interface Pickled {
  readonly value: PyValue;
  /** Where the pickle ends. */
  readonly end: number;
  /** Names off the allow-list that it mentions: classes of records, functions that stand as values. */
  readonly strangers: ReadonlySet<string>;
}

/**
 * Reads a pickle (protocols 0 to 5) without running anything: names outside the allow-list are refused, or stand for themselves and for the
 * class of inert records (`strangers.ts` says which), and the few that are allowed are our own functions. Time and memory are bounded
 * by the length of the pickle.
 * @throws UNSAFE_PICKLE naming what it wants to import or call; BAD_PICKLE when it is damaged.
 */
export function readPickle(bytes: Uint8Array, file: string, options: PickleOptions = {}): Pickled {
  return new Machine(bytes, file, options).run();
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #in: Reader;
  readonly #file: string;
  readonly #calls: Calls;
  readonly #stack: Stack;
  readonly #persistent: Persistent;
  readonly #strangers = new Set<string>();
  #containers = 0;
  #opcodeAt = 0;

  constructor(bytes: Uint8Array, file: string, { persistent = ofArchive, onShort }: PickleOptions) {
    this.#bytes = bytes;
    this.#in = new Reader(bytes, this.#bad, onShort);
    this.#file = file;
    this.#calls = new Calls(bytes.byteLength, this.#refuse);
    this.#stack = new Stack(bytes.byteLength, this.#bad);
    this.#persistent = persistent;
  }

  run(): Pickled {
    for (;;) {
      this.#opcodeAt = this.#in.at;
      const opcode = this.#in.byte();
      if (opcode === 0x2e) break;
      const literal = literalOf(opcode, this.#in, this.#bad);
      const made = literal === undefined ? containerOf(opcode, this.#stack, this.#bad) : undefined;
      if (literal !== undefined) this.#stack.push(literal);
      else if (made !== undefined) this.#make(made);
      else if (!fill(opcode, this.#stack, this.#bad) && !this.#frames(opcode) && !this.#objects(opcode))
        throw this.#bad(`opcode 0x${opcode.toString(16).padStart(2, '0')} is not known`);
    }
    const value = this.#stack.pop();
    if (!this.#stack.isEmpty()) throw this.#bad('it stops with more than one value');
    this.#calls.end();
    return { value, end: this.#in.at, strangers: this.#strangers };
  }

  /** PROTO, FRAME, the marks and the memo. */
  #frames(opcode: number): boolean {
    switch (opcode) {
      case 0x80: {
        // PROTO
        const protocol = this.#in.byte();
        if (protocol > 5) throw this.#bad(`protocol ${protocol} is not known`);
        return true;
      }
      case 0x95: // FRAME
        this.#in.expect(this.#in.uint64());
        return true;
      case 0x28: // MARK
        this.#stack.mark();
        return true;
      case 0x30: // POP
        this.#stack.drop();
        return true;
      case 0x31: // POP_MARK
        this.#stack.popMark();
        return true;
      case 0x32: // DUP
        this.#stack.push(this.#stack.top());
        return true;
      case 0x70: // PUT
        this.#stack.put(Number(this.#in.decimal(this.#in.line())));
        return true;
      case 0x71: // BINPUT
        this.#stack.put(this.#in.byte());
        return true;
      case 0x72: // LONG_BINPUT
        this.#stack.put(this.#in.uint32());
        return true;
      case 0x94: // MEMOIZE
        this.#stack.memoize();
        return true;
      case 0x67: // GET
        this.#stack.push(this.#stack.get(Number(this.#in.decimal(this.#in.line()))));
        return true;
      case 0x68: // BINGET
        this.#stack.push(this.#stack.get(this.#in.byte()));
        return true;
      case 0x6a: // LONG_BINGET
        this.#stack.push(this.#stack.get(this.#in.uint32()));
        return true;
      default:
        return false;
    }
  }

  #objects(opcode: number): boolean {
    switch (opcode) {
      case 0x63: {
        // GLOBAL
        const module = this.#in.line();
        this.#stack.push(this.#global(module, this.#in.line()));
        return true;
      }
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#stack.popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') throw this.#bad('a name that is no string');
        this.#stack.push(this.#global(module, name));
        return true;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callee, args] = this.#stack.popMany(2) as [PyValue, PyValue];
        return this.#call(callee, args, opcode === 0x52 ? 'reduce' : 'newobj');
      }
      case 0x92: {
        // NEWOBJ_EX
        const [callee, args, named] = this.#stack.popMany(3) as [PyValue, PyValue, PyValue];
        if (!isDict(named) || named.entries.size > 0) throw this.#refuse('it calls something with named arguments');
        return this.#call(callee, args, 'newobj');
      }
      case 0x69: {
        // INST
        const module = this.#in.line();
        const callee = this.#global(module, this.#in.line());
        return this.#call(callee, { kind: 'tuple', items: this.#stack.popMark() }, 'old');
      }
      case 0x6f: {
        // OBJ
        const [callee, ...items] = this.#stack.popMark();
        if (callee === undefined) throw this.#bad('it calls nothing');
        return this.#call(callee, { kind: 'tuple', items }, 'old');
      }
      case 0x62: {
        // BUILD
        const state = this.#stack.pop();
        const target = this.#stack.top();
        build(target, state, this.#refuse);
        if (isObject(target) && target.kind === 'record') this.#calls.built(target);
        return true;
      }
      case 0x51: // BINPERSID
        return this.#make(this.#persistent(this.#stack.pop(), false, this.#refuse));
      case 0x50: // PERSID
        return this.#make(this.#persistent(this.#in.line(), true, this.#refuse));
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

  #global(module: string, name: string): PyValue {
    const found = globalOf(module, name, this.#refuse);
    if (found.stranger) this.#strangers.add(found.name);
    return found;
  }

  #call(callee: PyValue, args: PyValue, manner: Manner): true {
    if (!isGlobal(callee)) throw this.#refuse('it calls a value that is no allowed name');
    const items = tupleOf(args);
    if (items === undefined) throw this.#bad(`${callee.name} is called without a tuple of arguments`);
    return this.#make(this.#calls.call(callee, items, manner));
  }

  /** One byte of a hostile pickle can make a hundred in memory. */
  #make(value: PyValue): true {
    this.#containers += 1;
    if (this.#containers > 1_000_000 + this.#bytes.byteLength / 16)
      throw this.#bad('more containers than its length allows');
    this.#stack.push(value);
    return true;
  }

  /** What to save instead. */
  #advice(): string {
    const isSharded = [...this.#strangers].some((name) => name.endsWith('.ShardedTensor'));
    return isSharded
      ? 'It holds a ShardedTensor: gather the full state dict and save that'
      : 'Save only the state dict: torch.save(model.state_dict(), path)';
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
            hint: `Nothing of it was run. ${this.#advice()}`,
          };
    return new HopfcoleError(word, message, { file: this.#file, at: this.#opcodeAt }, hint);
  };
}
