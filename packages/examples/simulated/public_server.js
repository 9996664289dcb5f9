import assert from 'node:assert/strict';
import { PublicServer } from '../dist/public_server.js';

const HOST = '127.0.0.1';

/** @param {import('@asyncore/testing').network} net */
export async function public_server(net) {
  new PublicServer(HOST, 8080, 30, 2);
  const peers = [0, 1, 2, 3].map((i) => net.connect([HOST, 8080]).send(`hello ${i}\nbye\n`));
  for (const [i, peer] of peers.entries()) {
    assert.equal(await peer.end(), 'end');
    assert.equal(peer.text, `hello ${i}\nbye\n`);
  }
}
