import assert from 'node:assert/strict';
import { RedisServer } from '../dist/redis_server.js';

const HOST = '127.0.0.1';

/** @type {<T>(net: import('@asyncore/testing').network, label: string, list: T[]) => T} */
const of = (net, label, list) => list[net.choose(list.length, label)];

/** @param {import('@asyncore/testing').network} net */
export async function redis_server(net) {
  new RedisServer(HOST, 6379);
  /** @param {string[]} args */
  const command = (...args) =>
    `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
  const value = 'x'.repeat(of(net, 'value', [5, 70, 3000]));
  const one = net
    .connect([HOST, 6379])
    .send(`${command('SET', 'k', value)}PING\r\n${command('GET', 'k')}`)
    .send(`${command('DEL', 'n')}${command('INCR', 'n')}${command('GET', 'none')}`);
  const other = net
    .connect([HOST, 6379])
    .send(command('SET', 'o', 'y'))
    .send(command('GET', 'o'));
  if (net.choose(2, 'stalls') === 1) {
    other.stall();
    await net.advance(1);
    other.resume();
  }
  const got = await one.expect('$-1\r\n');
  const answers = `+OK\r\n+PONG\r\n$${value.length}\r\n${value}\r\n`;
  assert.match(got.slice(answers.length), /^:[01]\r\n:1\r\n\$-1\r\n$/);
  assert.equal(got.slice(0, answers.length), answers);
  assert.equal(await other.expect('y\r\n'), '+OK\r\n$1\r\ny\r\n');
  one.half_close();
  assert.equal(await one.end(), 'end');
}
