import assert from 'node:assert/strict';
import { loop } from '@asyncore/core';
import { socketpair } from '@asyncore/socket';
import { TLSError, tls_dispatcher, type tls_options } from '@asyncore/tls';

const options: tls_options = { rejectUnauthorized: false, isServer: false, handshakeTimeout: 5000 };
const told: unknown[] = [];

class Client extends tls_dispatcher {
  override handle_tls_error(error: unknown): void {
    told.push(error);
  }
}

const [a, b] = socketpair();
new Client(a, null, options);
b.close(); // before the handshake
loop({ timeout: 5 }).then(() => {
  assert.ok(told.length === 1 && (told[0] instanceof TLSError || told[0] instanceof Error));
});
