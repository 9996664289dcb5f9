/** Each public method of file_dispatcher, called where a program may come to call it: see test-support. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { file_dispatcher } from '@asyncore/file';
import { failuresOf, methodsOf, SITUATIONS } from '@asyncore/test-support/every_method';
import { expect, it } from 'vitest';
import { KIND } from './every_kind.mjs';
import { onEveryPoller } from './support.js';

it('each method of file_dispatcher is called here, and nothing else', () => {
  expect(Object.keys(KIND.calls).sort()).toEqual(methodsOf(file_dispatcher));
});

onEveryPoller((use_poll) => {
  it.each(Object.keys(SITUATIONS))('each method, called %s', async (situation) => {
    expect(await failuresOf(KIND, situation, use_poll)).toEqual([]);
  });
});

it('each method does the same in a worker', async () => {
  const worker = new Worker(new URL('every_kind.mjs', import.meta.url));
  const [failures] = await once(worker, 'message');
  expect(failures).toEqual([]);
  await worker.terminate();
});
