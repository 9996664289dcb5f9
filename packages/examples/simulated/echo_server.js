import assert from 'node:assert/strict';
import { EchoServer } from '../dist/echo_server.js';

const HOST = '127.0.0.1';

/** @type {<T>(net: import('@asyncore/testing').network, label: string, list: T[]) => T} */
const of = (net, label, list) => list[net.choose(list.length, label)];

/** @param {import('@asyncore/testing').network} net */
export async function echo_server(net) {
  new EchoServer(HOST, 7);
  const text = 'hello'.repeat(of(net, 'size', [1, 300]));
  const peer = net.connect([HOST, 7]).send(text).half_close();
  assert.equal(await peer.end(), 'end');
  assert.equal(peer.text, text);
}
