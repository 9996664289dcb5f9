import { randomBytes } from 'node:crypto';
import { StoreHandler } from '@asyncore/examples';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { answersTo, isHeldUp } from './fed.js';
import { Client, example } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let port = 0;
beforeAll(async () => {
  ({ port } = await example('store_server'));
});

it('gives back what another connection has put', async () => {
  const thing = randomBytes(1 << 20);
  const putter = new Client(port);
  putter.say(`put thing ${thing.length}\r\n`);
  putter.say(thing);
  expect(await putter.until(/\n$/)).toBe('kept\r\n');
  const getter = new Client(port);
  getter.say('get thing\nquit\n');
  expect(await getter.until(/never/)).toBe(`${thing.length}\r\n${thing.toString('latin1')}`);
});

describe('however the input is cut', () => {
  const answers = (chunks: string[]) =>
    answersTo((sock) => new StoreHandler(sock, new Map()), chunks);

  it.each([
    ['put a 6\r\nb\r\nc\r\nget a\r\n', 'kept\r\n6\r\nb\r\nc\r\n'],
    ['put a 1\nxput a 2\nyzget a\n', 'kept\r\nkept\r\n2\r\nyz'],
    ['put a 0\r\nget a\r\nget b\r\n', 'kept\r\n0\r\nnone\r\n'],
    ['\r\nput\r\nput a\r\nput a -1\r\nput a 1x\r\nGET a\r\n', 'what?\r\n'.repeat(6)],
    ['get a\r\nquit\r\nget a\r\n', 'none\r\n'],
  ])('%j is answered with %j', (input, answer) => {
    expect(answers([input])).toBe(answer);
    expect(answers([...input])).toBe(answer);
    for (let at = 1; at < input.length; at++) {
      expect(answers([input.slice(0, at), input.slice(at)])).toBe(answer);
    }
  });
});

it.each([
  ['a line of more than 1,000 bytes', 'x'.repeat(1001)],
  ['a thing of more than 10,000,000', `put a 10000001\r\n${'x'.repeat(10_000_001)}`],
])('%s closes the connection, when what came before it is answered', async (_, input) => {
  const client = new Client(port);
  client.say(`${'x'.repeat(1000)}\r\n`);
  await client.until(/\n$/);
  client.say(input);
  expect(await client.until(/never/)).toBe('what?\r\n');
});

it('a client that takes nothing is answered no further', () => {
  const things = new Map([['large', Buffer.alloc(100_000)]]);
  expect(isHeldUp((sock) => new StoreHandler(sock, things), 'get large\n')).toBe(true);
});
