// Run by runner.test.ts with node --test: a test of a user who has no other runner.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dispatcher, dispatcher_with_send } from '@asyncore/core';
import { explore, simulate } from '@asyncore/testing';

class Echo extends dispatcher_with_send {
  handle_read() {
    this.send(this.recv(100));
  }
}

async function echoes(net) {
  const server = new dispatcher();
  server.handle_accepted = (sock) => new Echo(sock);
  server.create_socket();
  server.bind(['127.0.0.1', 7]);
  server.listen();
  assert.equal(await net.connect(['127.0.0.1', 7]).send('hello').expect('hello'), 'hello');
}

test('echoes', () => simulate({}, echoes));
test('echoes with virtual globals', () => simulate({ globals: true }, echoes));
test('echoes in any network', () => explore({ runs: 20 }, echoes));
