import assert from 'node:assert/strict';
import { dispatcher, dispatcher_with_send } from '@asyncore/core';
import { explore, type network, simulate } from '@asyncore/testing';

class Echo extends dispatcher_with_send {
  override timeout = 300;
  override handle_read(): void {
    this.send(this.recv(100));
  }
  override log_info(): void {}
}

class Server extends dispatcher {
  override handle_accept(): void {
    const pair = this.accept();
    if (pair !== null) new Echo(pair[0]);
  }
}

async function echoes(net: network): Promise<void> {
  const server = new Server();
  server.create_socket();
  server.bind(['127.0.0.1', 7]);
  server.listen();
  const peer = net.connect(['127.0.0.1', 7]).send('hello');
  assert.equal(await peer.expect('hello'), 'hello');
}

async function main(): Promise<void> {
  await explore({ runs: 20 }, echoes);
  await simulate({}, async (net) => {
    await echoes(net);
    await net.advance(700);
    assert.deepEqual(net.open(), ['Server :7', 'queue']);
  });
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
