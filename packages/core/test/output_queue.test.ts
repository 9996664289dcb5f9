import { expect, it } from 'vitest';
import { output_queue } from '../dist/output/output_queue.js';

it('small chunks behind large ones that have left are joined, and no byte is added', () => {
  const queue = new output_queue();
  for (const text of 'abcd') queue.push(Buffer.alloc(4096, text));
  queue.consume(3 * 4096);
  const small = 'efghijkl';
  for (const text of small) queue.push(Buffer.from(text));
  const chunks = queue.next(Infinity);
  expect(chunks.map(({ length }) => length)).toEqual([4096, small.length]);
  expect(Buffer.concat(chunks).subarray(4096).toString()).toBe(small);
});
