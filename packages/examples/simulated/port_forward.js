import assert from 'node:assert/strict';
import { PortForward } from '../dist/port_forward.js';

const HOST = '127.0.0.1';

/** @type {<T>(net: import('@asyncore/testing').network, label: string, list: T[]) => T} */
const of = (net, label, list) => list[net.choose(list.length, label)];

/** @param {import('@asyncore/testing').network} net */
export async function port_forward(net) {
  const target = net.listen(['10.0.0.1', 80]);
  new PortForward(HOST, 8080, ['10.0.0.1', 80]).log = () => {};
  const up = 'u'.repeat(of(net, 'up', [10, 2000, 9000]));
  const down = 'd'.repeat(of(net, 'down', [10, 2000, 9000]));
  const client = net.connect([HOST, 8080]).send(up);
  const server = await target.accept();
  server.send(down);
  switch (net.choose(4, 'who ends it')) {
    case 0:
      client.half_close();
      assert.equal(await server.end(), 'end');
      server.half_close();
      assert.equal(await client.end(), 'end');
      assert.deepEqual([server.text, client.text], [up, down]);
      break;
    case 1:
      server.half_close();
      assert.equal(await client.end(), 'end');
      client.half_close();
      assert.equal(await server.end(), 'end');
      assert.deepEqual([server.text, client.text], [up, down]);
      break;
    case 2:
      await client.expect(down);
      client.reset();
      assert.notEqual(await server.end(), 'end');
      break;
    default:
      await server.expect(up);
      server.reset();
      assert.notEqual(await client.end(), 'end');
  }
  client.close();
  server.close();
  await net.settle(100);
  assert.deepEqual(
    net.open().filter((name) => name !== 'queue'),
    ['PortForward :8080'],
  );
}
