import { HopfcoleError } from './error.ts';
import { type ByteSource, checkRange } from './source.ts';

/**
 * A file on a web server that answers Range requests; only the ranges that are asked for travel.
 * @throws FILE_NOT_FOUND, URL_ERROR when the server answers otherwise.
 */
export async function openUrl(url: string, init: RequestInit = {}): Promise<ByteSource> {
  const first = await get(url, init, 0, 1);
  await first.body?.cancel();
  const total = /\/(\d+)$/.exec(first.headers.get('content-range') ?? '')?.[1];
  if (first.status !== 206 || total === undefined)
    throw new HopfcoleError('URL_ERROR', 'the server does not serve ranges', { file: url }, 'Download the file first');
  const size = Number(total);
  return {
    name: url,
    size,
    async read(offset, length) {
      checkRange(url, size, offset, length);
      if (length === 0) return new Uint8Array(0);
      const response = await get(url, init, offset, length);
      const bytes = await bodyOf(response, length, url);
      if (response.status !== 206 || bytes.byteLength !== length)
        throw new HopfcoleError('URL_ERROR', `expected ${length} bytes, got ${bytes.byteLength}`, { file: url });
      return bytes;
    },
  };
}

async function get(url: string, init: RequestInit, offset: number, length: number): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('range', `bytes=${offset}-${offset + length - 1}`);
  const response = await fetch(url, { ...init, headers }).catch((error) => {
    throw new HopfcoleError('URL_ERROR', 'the server cannot be reached', { file: url }, '', { cause: error });
  });
  if (response.status === 404 || response.status === 410)
    throw new HopfcoleError('FILE_NOT_FOUND', `the server answered ${response.status}`, { file: url });
  if (!response.ok && response.status !== 416)
    throw new HopfcoleError('URL_ERROR', `the server answered ${response.status}`, { file: url });
  return response;
}

/** The body, read no further than asked: a server that ignores the range must not fill the memory. */
async function bodyOf(response: Response, length: number, url: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  for await (const chunk of response.body ?? []) {
    if (done + chunk.byteLength > length)
      throw new HopfcoleError('URL_ERROR', `the server sent more than the ${length} bytes asked for`, { file: url });
    bytes.set(chunk, done);
    done += chunk.byteLength;
  }
  return bytes.subarray(0, done);
}
