import { close_all, dispatcher, loop } from '@asyncore/core';

class KeyboardInterrupt extends Error {}

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort(new KeyboardInterrupt()));

const server = new dispatcher();
server.create_socket();
server.bind(['127.0.0.1', 0]);
server.listen();
console.log('serving');
try {
  await loop({ signal: interrupt.signal });
} catch (error) {
  if (!(error instanceof KeyboardInterrupt)) throw error;
  console.log('interrupted');
} finally {
  close_all();
  console.log('closed');
}
