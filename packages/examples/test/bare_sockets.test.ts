import { expect, it } from 'vitest';
import { run } from './example.js';

it('gets the urgent byte before the data sent ahead of it', async () => {
  const { code, stdout, stderr } = await run('bare_sockets');
  expect(String(stdout)).toBe('! from 127.0.0.1\nread me later\n');
  expect([code, stderr]).toEqual([0, '']);
});
