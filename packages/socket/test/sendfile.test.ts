import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlockingIOError, open, pipe, pread, read, SOCK_DGRAM } from '@asyncore/socket';
import { afterAll, describe, expect, it } from 'vitest';
import { connection, flagsOf, linuxOnly, onEveryFamily, onLinux, ownFd, pair } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'asyncore sendfile ü '));
const path = join(folder, 'digits');
writeFileSync(path, '0123456789');
afterAll(() => rmSync(folder, { recursive: true }));

const digits = () => ownFd(openSync(path, 'r'));

describe('sendfile', () => {
  onEveryFamily((family) => {
    it('sends part of a file, and leaves its position alone', () => {
      const [a, b] = connection(family);
      const file = digits();
      expect([a.sendfile(file, 2, 3), a.sendfile(file, 8, 100), a.sendfile(file, 10, 100)]).toEqual(
        [3, 2, 0],
      );
      expect(String(b.recv(100))).toBe('23489');
      expect(readFileSync(file, 'latin1')).toBe('0123456789');
    });

    it('takes as much as there is room for, then would block', () => {
      const [a] = connection(family);
      const large = join(folder, 'large');
      writeFileSync(large, Buffer.alloc(16_000_000));
      const file = ownFd(openSync(large, 'r'));
      let offset = 0;
      const send = () => {
        for (;;) offset += a.sendfile(file, offset, 16_000_000 - offset);
      };
      expect(send).toThrow(BlockingIOError);
      expect(offset).toBeGreaterThan(0);
      expect(offset).toBeLessThan(16_000_000);
    });
  });

  it('of nothing gives 0', () => {
    expect(pair()[0].sendfile(digits(), 0, 0)).toBe(0);
  });

  it('tells which socket it failed on', () => {
    const [a, b] = pair();
    b.close();
    expect(() => a.sendfile(digits(), 0, 10)).toThrow('sendfile EPIPE');
    a.close();
    expect(() => a.sendfile(digits(), 0, 10)).toThrow('sendfile EBADF');
    expect(() => pair()[0].sendfile(1_000_000, 0, 10)).toThrow('sendfile EBADF');
  });

  it.skipIf(!onLinux)(linuxOnly('refuses what is no file'), () => {
    const [reading] = pipe().map(ownFd);
    expect(() => pair()[0].sendfile(reading, 1, 10)).toThrow(/sendfile (EINVAL|ESPIPE)/);
    expect(() => pair()[0].sendfile(pair()[0].fileno(), 0, 10)).toThrow(/sendfile (EINVAL|ESPIPE)/);
  });

  it('makes a message of each call where borders are kept', () => {
    const [a, b] = pair(SOCK_DGRAM);
    a.sendfile(digits(), 0, 4);
    a.sendfile(digits(), 4, 6);
    expect([b.recv(100), b.recv(100)].map(String)).toEqual(['0123', '456789']);
  });
});

describe('pread', () => {
  it('reads from a place, whatever the position', () => {
    const file = digits();
    read(file, 5);
    expect([pread(file, 3, 8), pread(file, 3, 0), pread(file, 3, 10)].map(String)).toEqual([
      '89',
      '012',
      '',
    ]);
    expect(String(read(file, 100))).toBe('56789');
  });

  it('throws ESPIPE for a pipe', () => {
    const [reading] = pipe().map(ownFd);
    expect(() => pread(reading, 1, 0)).toThrow('pread ESPIPE');
  });
});

describe('open', () => {
  it('gives a close-on-exec descriptor to read, by any path', () => {
    for (const name of [path, Buffer.from(path)]) {
      const file = ownFd(open(name));
      expect(String(read(file, 100))).toBe('0123456789');
    }
  });

  it.skipIf(!onLinux)(linuxOnly('is close-on-exec'), () => {
    expect(flagsOf(ownFd(open(path)))).toMatchObject({ cloexec: true });
  });

  it('throws with the path', () => {
    expect(() => open(`${path}.not`)).toThrow(`open ENOENT ${path}.not`);
    expect(() => open('x'.repeat(5000))).toThrow('open ENAMETOOLONG');
    expect(() => open('a\0b')).toThrow('without a NUL');
  });

  it('does not wait for the other end of a named pipe', async () => {
    const { execFileSync } = await import('node:child_process');
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    closeSync(open(fifo));
  });
});
