import { readFileSync } from 'node:fs';
import { constants as node } from 'node:os';
import * as socket from '@asyncore/socket';
import { errno } from '@asyncore/socket';
import { expect, expectTypeOf, it } from 'vitest';
import { binding } from '../dist/binding.js';
import * as exported from '../dist/constants.js';
import { linuxOnly, onLinux } from './support.js';

const constants = new Map<string, number | undefined>(Object.entries(exported));

it.skipIf(!onLinux)(linuxOnly('every constant has a value'), () => {
  // Those of macOS and the BSDs.
  const elsewhere = ['SO_NOSIGPIPE', 'TCP_KEEPALIVE', 'TCP_NOPUSH'];
  const lacking = [...constants].filter(([, value]) => value === undefined);
  expect(lacking.map(([name]) => name)).toEqual(elsewhere);
});

it('every constant that was compiled in is exported, but for those of epoll_ctl', () => {
  const internal = ['EPOLL_CTL_ADD', 'EPOLL_CTL_MOD', 'EPOLL_CTL_DEL'];
  const compiled = Object.keys(binding.constants).filter((name) => !internal.includes(name));
  expect(compiled.filter((name) => !constants.has(name))).toEqual([]);
});

it('a constant that some systems lack says which have it, and may be undefined', () => {
  const source = readFileSync(new URL('../src/constants.ts', import.meta.url), 'utf8');
  const some = source.slice(source.indexOf('And only some systems'));
  const entries = [...some.matchAll(/\/\*\* (.*?) \*\/\s+(\w+),/gs)];
  expect(entries.map(([, , name]) => name)).toContain('TCP_CORK');
  const unsaid = entries.filter(([, text]) => !/Linux|macOS|BSD/.test(text));
  expect(unsaid.map(([, , name]) => name)).toEqual([]);
  // Checked by `npm run types`.
  expectTypeOf<typeof socket.TCP_CORK>().toEqualTypeOf<number | undefined>();
  expectTypeOf<typeof socket.SO_NOSIGPIPE>().toEqualTypeOf<number | undefined>();
  expectTypeOf<typeof socket.POLLRDHUP>().toEqualTypeOf<number | undefined>();
  expectTypeOf<typeof socket.SO_REUSEPORT>().toEqualTypeOf<number>();
});

it('every constant is an integer and exported by the package', () => {
  for (const [name, value] of constants) {
    expect(socket).toHaveProperty(name, value);
    if (value !== undefined) expect(value).toSatisfy(Number.isInteger);
  }
});

it('the error numbers are those that Node knows', () => {
  const known = Object.entries(node.errno).filter(([name]) => name in errno);
  expect(known.length).toBeGreaterThan(50);
  for (const [name, number] of known) expect([name, errno[name]]).toEqual([name, number]);
});

it('few error numbers that Node knows are unknown here', () => {
  const unknown = Object.keys(node.errno).filter((name) => !(name in errno));
  expect(unknown.filter((name) => /CONN|NET|HOST|ADDR|SOCK|PIPE|PROTO/.test(name))).toEqual([]);
});

it('constants are the flags that the system has', () => {
  const { AF_INET, AF_UNIX, SOCK_STREAM, SOCK_DGRAM, SHUT_RD, SHUT_WR, SHUT_RDWR } = socket;
  // As POSIX fixes them, or every system has had them from the beginning.
  expect([AF_UNIX, AF_INET, SOCK_STREAM, SOCK_DGRAM]).toEqual([1, 2, 1, 2]);
  expect([SHUT_RD, SHUT_WR, SHUT_RDWR]).toEqual([0, 1, 2]);
  const { POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL, MSG_OOB, MSG_PEEK } = socket;
  expect([POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL]).toEqual([1, 2, 4, 8, 16, 32]);
  expect([MSG_OOB, MSG_PEEK]).toEqual([1, 2]);
});
