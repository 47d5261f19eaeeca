import type { HopfcoleError } from '../../files/error.ts';
import type { Reader } from './reader.ts';
import type { PyValue } from './value.ts';

/** The value that an opcode says by itself (a number, a text, bytes, None); undefined where it says none. */
export function literalOf(opcode: number, from: Reader, bad: (message: string) => HopfcoleError): PyValue | undefined {
  switch (opcode) {
    case 0x4e: // NONE
      return null;
    case 0x88: // NEWTRUE
      return true;
    case 0x89: // NEWFALSE
      return false;
    case 0x4b: // BININT1
      return from.byte();
    case 0x4d: // BININT2
      return from.uint16();
    case 0x4a: // BININT
      return from.int32();
    case 0x8a: // LONG1
      return from.long(from.byte());
    case 0x8b: // LONG4
      return from.long(from.int32());
    case 0x47: // BINFLOAT
      return from.float64();
    case 0x49: {
      // INT, which also says booleans as 00 and 01
      const line = from.line();
      return line === '00' ? false : line === '01' ? true : from.decimal(line);
    }
    case 0x4c: // LONG
      return from.decimal(from.line().replace(/L$/, ''));
    case 0x46: // FLOAT
      return floatOf(from.line(), bad);
    case 0x58: // BINUNICODE
      return from.utf8(from.uint32());
    case 0x8c: // SHORT_BINUNICODE
      return from.utf8(from.byte());
    case 0x8d: // BINUNICODE8
      return from.utf8(from.uint64());
    case 0x54: // BINSTRING
      return from.oldString(from.uint32());
    case 0x55: // SHORT_BINSTRING
      return from.oldString(from.byte());
    case 0x42: // BINBYTES
      return from.take(from.uint32());
    case 0x43: // SHORT_BINBYTES
      return from.take(from.byte());
    case 0x8e: // BINBYTES8
    case 0x96: // BYTEARRAY8
      return from.take(from.uint64());
    case 0x53: {
      // STRING
      const quoted = /^'([^'\\]*)'$|^"([^"\\]*)"$/.exec(from.line());
      if (quoted === null) throw bad('a damaged string');
      return quoted[1] ?? quoted[2] ?? '';
    }
    case 0x56: {
      // UNICODE
      const line = from.line();
      if (line.includes('\\')) throw bad('escapes in text pickles are not read');
      return line;
    }
    default:
      return undefined;
  }
}

function floatOf(line: string, bad: (message: string) => HopfcoleError): number {
  const value = { inf: Infinity, '-inf': -Infinity, nan: Number.NaN }[line] ?? Number(line === '' ? 'x' : line);
  if (Number.isNaN(value) && line !== 'nan') throw bad('a damaged number');
  return value;
}
