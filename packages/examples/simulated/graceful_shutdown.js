import { JobServer } from '../dist/graceful_shutdown.js';

const HOST = '127.0.0.1';

/** @type {<T>(net: import('@asyncore/testing').network, label: string, list: T[]) => T} */
const of = (net, label, list) => list[net.choose(list.length, label)];

/** @param {import('@asyncore/testing').network} net */
export async function graceful_shutdown(net) {
  const server = new JobServer(HOST, 8080);
  const peers = [0, 1, 2].map(() => net.connect([HOST, 8080]).send('0\nnonsense\n'));
  await net.until(() => peers.every(({ connected }) => connected), 'all are connected');
  await net.advance(of(net, 'when', [0, 0.001, 0.1, 1]));
  server.finish();
  for (const peer of peers) await peer.end();
}
