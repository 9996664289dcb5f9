import assert from 'node:assert/strict';
import { StoreServer } from '../dist/store_server.js';

const HOST = '127.0.0.1';

/** @param {import('@asyncore/testing').network} net */
export async function store_server(net) {
  new StoreServer(HOST, 8081);
  const thing = 'q\r\nuit'.repeat(50);
  const peer = net
    .connect([HOST, 8081])
    .send(`put a ${thing.length}\r\n${thing}put b 0\nget a\nget c\nbad\nget b\r\nquit\n`);
  assert.equal(await peer.end(), 'end');
  assert.equal(peer.text, `kept\r\nkept\r\n${thing.length}\r\n${thing}none\r\nwhat?\r\n0\r\n`);
}
