import { LoggingEchoServer } from '../dist/logging_echo_server.js';

const HOST = '127.0.0.1';

/** @type {<T>(net: import('@asyncore/testing').network, label: string, list: T[]) => T} */
const of = (net, label, list) => list[net.choose(list.length, label)];

/** @param {import('@asyncore/testing').network} net */
export async function logging_echo_server(net) {
  new LoggingEchoServer([HOST, 7]).serve_forever();
  const text = 'abcdefghij'.repeat(of(net, 'size', [1, 30]));
  const peer = net.connect([HOST, 7]).send(text);
  await peer.expect(text);
  peer.half_close();
  await peer.end();
}
