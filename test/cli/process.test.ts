import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { hopfcole, main, root } from './process.ts';

const fixture = (name: string) => join(root, 'fixtures', name);
const temporary = () => mkdtempSync(join(tmpdir(), 'hopfcole-cli-'));
const digits = fixture('digits/digits_lse.onnx');
const test = fixture('digits/test.npz');
const nameOf = ({ usage }: { usage: string }) => usage.split(' ')[0] ?? '';

describe('help', () => {
  it('lists every command and nothing else', async () => {
    const { code, out, err } = await hopfcole(['--help']);
    expect([code, err]).toEqual([0, '']);
    const listed = [...out.matchAll(/^ {2}hopfcole (\S+)/gm)].map((match) => match[1]);
    expect(listed).toEqual(commands.map(nameOf));
  });

  it('gives the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(await hopfcole(['--version'])).toMatchObject({ code: 0, out: `${version}\n`, err: '' });
  });

  // `demo` is the subject of a test of its own.
  const shown = commands.filter((command) => nameOf(command) !== 'demo');
  it.each(shown.map((command) => [nameOf(command), command] as const))(
    '%s: its example works as printed',
    { timeout: 120_000 },
    async (name, command) => {
      const folder = temporary();
      for (const part of ['fixtures', 'examples']) symlinkSync(join(root, part), join(folder, part));
      const { out } = await hopfcole([name, '--help']);
      expect(out.replace(/\s+/g, ' ')).toContain(command.example);
      const [program, ...words] = command.example.split(' ');
      expect(program).toBe('hopfcole');
      const { code, out: told, err } = await hopfcole([...words, '--json'], { cwd: folder });
      expect(err).toBe('');
      expect(code).toBe(0);
      expect(JSON.parse(told)).toMatchObject({ ok: true, command: name });
      const at = words.indexOf('-o');
      if (at >= 0) expect(statSync(join(folder, words[at + 1] ?? '')).size).toBeGreaterThan(0);
    },
  );
});

describe('what is said', () => {
  it.each<[string, string[], RegExp]>([
    ['no command', [], /^error: no command given\. hopfcole --help lists the commands\.\n$/],
    ['an unknown command', ['inspekt', 'x'], /^error: unknown command 'inspekt'\. Did you mean 'inspect'\?\n$/],
    ['an unknown flag', ['run', digits, '--imput', test], /^error: .*imput.* Did you mean '--input'\?\n$/],
    ['too many words', ['inspect', digits, 'more'], /^error: .*more.*\n$/],
    ['a missing word', ['inspect'], /^error: .*\n$/],
    ['a flag without its value', ['run', digits, '--input'], /^error: .*input.*\n$/],
    ['a provider nobody knows', ['run', digits, '--input', test, '-o', 'f.npz', '--ep', 'abacus'], /^error: .*\n$/],
    ['an output of no known kind', ['run', digits, '--input', test, '-o', 'f.docx'], /^error: .*\.npz.*f\.docx.*\n$/],
    ['an input that is not there', ['run', digits, '--input', 'no.npz', '-o', 'f.npz'], /^error: .*no\.npz.*\n$/],
  ])('of %s: one line, exit code 2', async (_what, words, line) => {
    const cwd = temporary();
    const { code, out, err } = await hopfcole(words, { cwd });
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(line);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('as JSON is one document, of success and of failure', async () => {
    const good = await hopfcole(['inspect', digits, '--json']);
    expect(good).toMatchObject({ code: 0, err: '' });
    expect(good.out.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(good.out)).toMatchObject({ ok: true, command: 'inspect', format: 'onnx', problems: [] });
    const bad = await hopfcole(['inspect', 'no\nsuch\nfile.onnx', '--json']);
    expect(bad.code).toBe(2);
    expect(bad.err.match(/\n/g)).toHaveLength(1);
    const { ok, error } = JSON.parse(bad.out);
    expect([ok, error.code, Object.keys(error).sort()]).toEqual([
      false,
      'FILE_NOT_FOUND',
      ['code', 'hint', 'message', 'where'],
    ]);
  });

  it('with --debug has a stack, without it none', async () => {
    const [plain, debug] = await Promise.all([
      hopfcole(['check', 'no.onnx']),
      hopfcole(['check', 'no.onnx', '--debug']),
    ]);
    expect(plain.err.split('\n')).toHaveLength(2);
    expect(debug.err.startsWith(plain.err)).toBe(true);
    expect(debug.err).toMatch(/\n\s+at /);
  });

  it('may be cut short by the reader of a pipe', () => {
    const done = spawnSync('sh', ['-c', `"${process.execPath}" "${main}" build --schema | head -c 20; echo`], {
      encoding: 'utf8',
    });
    expect([done.status, done.stderr]).toEqual([0, '']);
    expect(done.stdout).toHaveLength(21);
  });
});

describe('a run that is stopped', () => {
  const long = (output: string) => ['run', digits, '--input', test, '-o', output, '--ep', 'cpu', '--repeat', '1000000'];

  it.each(['SIGINT', 'SIGTERM'] as const)('by %s ends with 130 and leaves nothing', async (signal) => {
    const cwd = temporary();
    writeFileSync(join(cwd, 'f.npz'), 'before');
    const { code, out } = await hopfcole(long('f.npz'), { cwd, signal, after: 2500, env: { TMPDIR: cwd } });
    expect([code, out]).toEqual([130, '']);
    expect(readFileSync(join(cwd, 'f.npz'), 'utf8')).toBe('before');
    expect(readdirSync(cwd)).toEqual(['f.npz']);
  });

  it('by --timeout ends with 2', async () => {
    const cwd = temporary();
    const { code, out, err, seconds } = await hopfcole([...long('f.npz'), '--timeout', '2', '--json'], { cwd });
    expect(code).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ ok: false, error: { code: 'TIMEOUT' } });
    expect(err).toMatch(/^error: not done (within|after) 2 s.*\n$/);
    expect(seconds).toBeLessThan(20);
    expect(existsSync(join(cwd, 'f.npz'))).toBe(false);
  });
});

it('starts quickly, and inspects a large file without reading it', async () => {
  const large = join(temporary(), 'large.safetensors');
  const header = JSON.stringify({ w: { dtype: 'F32', shape: [25 << 20], data_offsets: [0, 100 << 20] } });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(large, Buffer.concat([length, Buffer.from(header)]));
  truncateSync(large, 8 + header.length + (100 << 20));
  const times: Record<string, number> = {};
  for (const [what, words] of [
    ['--help', ['--help']],
    ['inspect of 100 MB', ['inspect', large]],
  ] as const) {
    const runs = [await hopfcole(words), await hopfcole(words), await hopfcole(words)];
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    times[what] = Math.min(...runs.map(({ seconds }) => seconds));
  }
  // Told, not held: a busy machine is no fault of ours.
  console.log(
    Object.entries(times)
      .map(([what, seconds]) => `${what}: ${seconds.toFixed(2)} s`)
      .join('; '),
  );
});
