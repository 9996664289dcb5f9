import { socketpair } from '@asyncore/socket';
import { expect, it } from 'vitest';

it('carries bytes from one end to the other', () => {
  const [a, b] = socketpair();
  a.send(Buffer.from('hello'));
  expect(b.recv(8192).toString()).toBe('hello');
  a.close();
  b.close();
});
