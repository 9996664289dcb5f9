import assert from 'node:assert/strict';
import { UnixEchoServer } from '../dist/unix_echo.js';

/** @type {<T>(net: import('@asyncore/testing').network, label: string, list: T[]) => T} */
const of = (net, label, list) => list[net.choose(list.length, label)];

/** @param {import('@asyncore/testing').network} net */
export async function unix_echo(net) {
  new UnixEchoServer('@echo');
  const text = 'hello'.repeat(of(net, 'size', [1, 300]));
  const peer = net.connect('\0echo').send(text).half_close();
  assert.equal(await peer.end(), 'end');
  assert.equal(peer.text, text);
}
