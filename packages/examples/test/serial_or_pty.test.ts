import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ended, run, start } from './example.js';
import { printing } from './printing.js';

const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;
const withPython = hasPython ? '' : ' (runs with python3 in PATH)';

/** A pseudo-terminal in place of a device: repeats each line, until it is killed, which hangs up. */
async function device() {
  const script = `
import os, pty
master, slave = pty.openpty()
print(os.ttyname(slave), flush=True)
while True:
    line = b''
    while not line.endswith(b'\\n'):
        line += os.read(master, 1)
    os.write(master, b'you said ' + line)
`;
  const child = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill());
  const [path] = await once(child.stdout, 'data');
  return { child, path: String(path).trim() };
}

describe.skipIf(!hasPython)(`a pseudo-terminal of Python${withPython}`, () => {
  it('is told each line, and what it says is printed until it hangs up', async () => {
    const { child, path } = await device();
    const program = start('serial_or_pty', path, 'hello', 'bye');
    const end = ended(program);
    // Not before: what is unread when a pseudo-terminal hangs up is lost by Linux.
    await printing(program)('you said bye\n');
    child.kill();
    const { code, stdout, stderr } = await end;
    expect([code, stderr]).toEqual([0, '']);
    expect(String(stdout)).toBe('you said hello\nyou said bye\n');
  });

  it('says what it says byte for byte: the line is raw, without echo', async () => {
    const { path } = await device();
    const until = printing(start('serial_or_pty', path, 'one\x03two\x04', 'three'));
    expect(await until('three\n')).toBe('you said one\x03two\x04\nyou said three\n');
  });
});

const hasSocat = spawnSync('socat', ['-V']).status === 0;
const withSocat = hasSocat ? '' : ' (runs with socat in PATH)';

it.skipIf(!hasSocat)(`a pseudo-terminal of socat${withSocat}`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'serial'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'device');
  const socat = spawn('socat', ['-d', '-d', `PTY,link=${path},rawer`, 'SYSTEM:cat'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void socat.kill());
  while (!existsSync(path)) await once(socat.stderr, 'data');
  socat.stderr.resume();
  const child = start('serial_or_pty', path, 'hello');
  const closed = once(child, 'close');
  await printing(child)('hello\n');
  socat.kill();
  const [code] = await closed;
  expect(code).toBe(0);
});

it.each([
  [[], 'usage: serial_or_pty'],
  [['/nonexistent'], 'ENOENT'],
  [['/dev/null'], '/dev/null: stty: '],
])('says in one line what is wrong with %j', async (args, message) => {
  const { code, stderr } = await run('serial_or_pty', ...args);
  expect(stderr).toMatch(/^serial_or_pty: .*\n$/);
  expect(stderr).toContain(message);
  expect(code).toBe(1);
});
