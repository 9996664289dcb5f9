import { dispatcher, type keep_alive_options } from '@asyncore/core';
import {
  AF_UNIX,
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_KEEPALIVE,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_USER_TIMEOUT,
} from '@asyncore/socket';
import { expect, it } from 'vitest';
import { ends, itUnless, own } from './support.js';

/** Why a test is left out over silent. */
const BARE = 'it has no options';

async function channelOf(family?: number): Promise<dispatcher> {
  const [ours] = await ends(family);
  return own(new dispatcher(ours, new Map()));
}

function optionsOf(channel: dispatcher): number[] {
  const options = [TCP_KEEPIDLE ?? TCP_KEEPALIVE ?? 0, TCP_KEEPINTVL, TCP_KEEPCNT];
  if (TCP_USER_TIMEOUT !== undefined) options.push(TCP_USER_TIMEOUT);
  return options.map((option) => channel.getsockopt(IPPROTO_TCP, option));
}

itUnless({ silent: BARE })('set_keep_alive sets what it is given, in seconds', async () => {
  const channel = await channelOf();
  expect(channel.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).toBe(0);
  channel.set_keep_alive({ idle: 60, interval: 10, count: 3, user_timeout: 1.001 });
  expect(channel.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).not.toBe(0);
  expect(optionsOf(channel)).toEqual([60, 10, 3, 1001].slice(0, optionsOf(channel).length));
});

itUnless({ silent: BARE })('set_keep_alive leaves the rest as the system has it', async () => {
  const channel = await channelOf();
  const before = optionsOf(channel);
  channel.set_keep_alive();
  expect(optionsOf(channel)).toEqual(before);
  channel.set_keep_alive({ interval: 7 });
  expect(optionsOf(channel)).toEqual(before.with(1, 7));
});

it.each([
  [{ idle: 0 }, 'idle must be a whole number of seconds to 32767'],
  [{ interval: 1.5 }, 'interval must be a whole number of seconds to 32767'],
  [{ count: 128 }, 'count must be a whole number of probes to 127'],
  [{ user_timeout: Number.NaN }, 'user_timeout must be a number of seconds to 2147483'],
])('set_keep_alive(%o) is refused before anything is set', async (options, message) => {
  const channel = await channelOf();
  expect(() => channel.set_keep_alive(options)).toThrow(`set_keep_alive: ${message}`);
  expect(channel.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).toBe(0);
});

it.each<[unknown, string]>([
  [null, 'options must be an object with idle, interval, count, user_timeout'],
  [60, 'options must be an object with idle, interval, count, user_timeout'],
  ['60', 'options must be an object with idle, interval, count, user_timeout'],
  [[60], 'options must be an object with idle, interval, count, user_timeout'],
  [{ idel: 60 }, 'there is no option idel, only idle, interval, count, user_timeout'],
  [{ idle: 60, idel: undefined }, 'there is no option idel, only idle, interval, count'],
  [{ idle: '60' }, 'idle must be a whole number of seconds: got string'],
  [{ idle: 60, interval: null }, 'interval must be a whole number of seconds: got null'],
  [{ idle: 60, count: true }, 'count must be a whole number of probes: got boolean'],
  [{ idle: 60, user_timeout: 1n }, 'user_timeout must be a number of seconds: got bigint'],
])('set_keep_alive(%o) is a TypeError before anything is set', async (options, message) => {
  const channel = await channelOf();
  const before = optionsOf(channel);
  const set = () => channel.set_keep_alive(options as keep_alive_options);
  expect(set).toThrow(TypeError);
  expect(set).toThrow(`set_keep_alive: ${message}`);
  expect(channel.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).toBe(0);
  expect(optionsOf(channel)).toEqual(before);
});

itUnless({ silent: BARE })('an option that is undefined is one left out', async () => {
  const channel = await channelOf();
  const before = optionsOf(channel);
  channel.set_keep_alive({ idle: undefined, interval: 7 });
  expect(optionsOf(channel)).toEqual(before.with(1, 7));
});

itUnless({ silent: BARE })('what is no TCP connection has no such options', async () => {
  const channel = await channelOf(AF_UNIX);
  expect(() => channel.set_keep_alive({ idle: 60 })).toThrow(/^setsockopt E/);
});
