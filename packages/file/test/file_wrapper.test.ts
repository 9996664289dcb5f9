/** What CPython 3.11's FileWrapperTest says, in our own words, and what is beside. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { file_wrapper } from '@asyncore/file';
import * as socket from '@asyncore/socket';
import { BlockingIOError, SO_ERROR, SO_TYPE, SOL_SOCKET } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { close, collectUntil, fileWith, openFile, own, pipe } from './support.js';

const TEXT = 'This parrot is no more.';

it('recv and read read on a duplicate, until it is closed', () => {
  const fd = openFile(fileWith(TEXT));
  const wrapper = new file_wrapper(fd);
  close(fd);
  expect(wrapper.fd).not.toBe(fd);
  expect(wrapper.fileno()).toBe(wrapper.fd);
  expect(String(wrapper.recv(11))).toBe('This parrot');
  expect(String(wrapper.read(100))).toBe(' is no more.');
  expect(wrapper.read(100).length).toBe(0);
  wrapper.close();
  expect(() => wrapper.read(1)).toThrow('read EBADF');
});

it('send and write write and give the number of bytes', () => {
  const path = fileWith(TEXT);
  const wrapper = new file_wrapper(openFile(path, 'a'));
  expect(wrapper.write(Buffer.from(' It has'))).toBe(7);
  expect(wrapper.send(Buffer.from(' ceased to be.'))).toBe(14);
  wrapper.close();
  expect(readFileSync(path, 'utf8')).toBe(`${TEXT} It has ceased to be.`);
});

it('recv and send throw BlockingIOError instead of waiting', () => {
  const [reading, writing] = pipe();
  using reader = new file_wrapper(reading);
  using writer = new file_wrapper(writing);
  reader.setblocking(false);
  writer.setblocking(false);
  expect(() => reader.recv(1)).toThrow(BlockingIOError);
  expect(() => {
    for (;;) writer.send(Buffer.alloc(65536));
  }).toThrow(BlockingIOError);
});

it('answers SO_ERROR with 0 and no other option', () => {
  using wrapper = new file_wrapper(0);
  expect(wrapper.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(0);
  expect(() => wrapper.getsockopt(SOL_SOCKET, SO_TYPE)).toThrow('getsockopt: not implemented');
  expect(() => wrapper.getsockopt(0, SO_ERROR)).toThrow('getsockopt: not implemented');
  expect(() => wrapper.getsockopt(SOL_SOCKET, SO_ERROR, 4)).toThrow('getsockopt: not implemented');
});

it('is not passed on to programs that are started', () => {
  using wrapper = new file_wrapper(0);
  const test = (fd: number) => spawnSync('test', ['-e', `/dev/fd/${fd}`]).status;
  expect([test(0), test(wrapper.fd)]).toEqual([0, 1]);
});

describe('close', () => {
  it('does nothing the second time', () => {
    const wrapper = new file_wrapper(0);
    wrapper.close();
    expect([wrapper.fd, wrapper.fileno()]).toEqual([-1, -1]);
    wrapper.close();
  });

  it('does not hide that somebody else has closed the descriptor, and is over then', () => {
    const wrapper = new file_wrapper(0);
    socket.close(wrapper.fd);
    expect(() => wrapper.close()).toThrow('close EBADF');
    expect(wrapper.fd).toBe(-1);
    wrapper.close();
  });

  it('leaves the original open', () => {
    const [reading, writing] = pipe();
    new file_wrapper(writing).close();
    socket.write(writing, Buffer.from('spam'));
    expect(String(socket.read(reading, 10))).toBe('spam');
  });

  it('comes at the end of a using declaration', () => {
    const { fd } = (() => {
      using wrapper = new file_wrapper(0);
      return { fd: wrapper.fd };
    })();
    expect(() => socket.get_blocking(fd)).toThrow('EBADF');
  });
});

it('detach gives the descriptor away', () => {
  const wrapper = new file_wrapper(0);
  const fd = own(wrapper.detach());
  expect(wrapper.fd).toBe(-1);
  wrapper.close();
  expect(socket.get_blocking(fd)).toBeTypeOf('boolean');
});

describe('collected without having been closed', () => {
  async function collected(make: () => number): Promise<[fd: number, warnings: string[]]> {
    const warnings: string[] = [];
    const warned = ({ name, message }: Error) => void warnings.push(`${name}: ${message}`);
    process.on('warning', warned);
    const fd = make();
    await collectUntil(() => warnings.length > 0);
    process.off('warning', warned);
    return [fd, warnings];
  }

  it('closes itself with a ResourceWarning', async () => {
    const [fd, warnings] = await collected(() => new file_wrapper(0).fd);
    expect(warnings).toEqual([`ResourceWarning: unclosed file_wrapper fd=${fd}`]);
    expect(() => socket.get_blocking(fd)).toThrow('EBADF');
  });

  it('makes the open file blocking again', async () => {
    const [reading] = pipe();
    await collected(() => {
      const wrapper = new file_wrapper(reading);
      wrapper.setblocking(false);
      return wrapper.fd;
    });
    expect(socket.get_blocking(reading)).toBe(true);
  });
});

it.each([['0'], [null], [undefined], [1.5], [Number.NaN], [{ fd: 0 }]])(
  'refuses %s with a TypeError that names the argument',
  (fd) => {
    expect(() => new file_wrapper(fd as number)).toThrow(/^file_wrapper: fd must be /);
    expect(() => new file_wrapper(fd as number)).toThrow(TypeError);
  },
);

it.each([-1, 99_999])('refuses %d, which is not open, with EBADF', (fd) => {
  expect(() => new file_wrapper(fd)).toThrow('dup EBADF');
});

it('refuses what is not bytes, or not a size', () => {
  using wrapper = new file_wrapper(0);
  expect(() => wrapper.send('text' as never)).toThrow(TypeError);
  expect(() => wrapper.recv('1' as never)).toThrow(TypeError);
  expect(() => wrapper.recv(-1)).toThrow(RangeError);
});

it('a closed one fails with EBADF, not with a crash', () => {
  const wrapper = new file_wrapper(0);
  wrapper.close();
  expect(() => wrapper.recv(1)).toThrow('read EBADF');
  expect(() => wrapper.send(Buffer.from('x'))).toThrow('write EBADF');
  expect(() => wrapper.setblocking(false)).toThrow('fcntl EBADF');
  expect(() => wrapper.setblocking(true)).toThrow('fcntl EBADF');
});

it('shows its descriptor when inspected', async () => {
  const { inspect } = await import('node:util');
  using wrapper = new file_wrapper(0);
  expect(inspect(wrapper)).toBe(`<file_wrapper fd=${wrapper.fd}>`);
});
