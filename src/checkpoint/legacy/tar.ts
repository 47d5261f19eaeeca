import { HopfcoleError } from '../../files/error.ts';
import type { ByteSource } from '../../files/source.ts';
import { window } from '../storages.ts';

const block = 512;
const mostMembers = 1000;

/**
 * The files of a tar archive by name: plain ones; folders and remarks are passed over.
 * @throws BAD_CHECKPOINT for links, names twice, sizes beyond the end, and headers whose checksum is wrong.
 */
export async function openTar(source: ByteSource): Promise<Map<string, ByteSource>> {
  const members = new Map<string, ByteSource>();
  const bad = (message: string, at: number) =>
    new HopfcoleError(
      'BAD_CHECKPOINT',
      `not a sound tar archive: ${message}`,
      { file: source.name, at },
      'Fetch it again',
    );
  let count = 0;
  for (let at = 0; at + block <= source.size; ) {
    const header = await source.read(at, block);
    if (header.every((byte) => byte === 0)) break;
    count += 1;
    if (count > mostMembers) throw bad(`more than ${mostMembers} members`, at);
    if (octal(header, 148, 8) !== checksum(header)) throw bad('the checksum of a header is wrong', at);
    const size = octal(header, 124, 12);
    if (size === undefined || at + block + size > source.size) throw bad('a member lies outside the archive', at);
    const type = String.fromCharCode(header[156] ?? 0);
    const name = text(header, 0, 100).replace(/^\.\//, '');
    if (type === '0' || type === '\0') {
      if (members.has(name)) throw bad(`${JSON.stringify(name)} stands twice`, at);
      members.set(name, window(source, `${source.name}:${name}`, at + block, size));
    } else if (!['5', 'x', 'g'].includes(type)) throw bad(`${JSON.stringify(name)} is a link or a device`, at);
    at += block + Math.ceil(size / block) * block;
  }
  return members;
}

function octal(header: Uint8Array, at: number, length: number): number | undefined {
  const digits = text(header, at, length).trim();
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

function checksum(header: Uint8Array): number {
  return header.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 32 : byte), 0);
}

function text(header: Uint8Array, at: number, length: number): string {
  const end = header.subarray(at, at + length).indexOf(0);
  return new TextDecoder('latin1').decode(header.subarray(at, at + (end < 0 ? length : end)));
}
