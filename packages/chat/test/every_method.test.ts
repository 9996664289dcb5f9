/** Each public method of the channels, called where a program may come to call it: see test-support. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { failuresOf, methodsOf, SITUATIONS } from '@asyncore/test-support/every_method';
import { describe, expect, it } from 'vitest';
import { KINDS } from './every_kind.mjs';
import { onEveryPoller } from './support.js';

describe.each(Object.entries(KINDS))('each method of %s', (name, kind) => {
  it('is called here, and nothing else', () => {
    expect(Object.keys(kind.calls).sort()).toEqual(methodsOf(kind.Class));
  });

  onEveryPoller((use_poll) => {
    it.each(Object.keys(SITUATIONS))('called %s', async (situation) => {
      expect(await failuresOf(kind, situation, use_poll)).toEqual([]);
    });
  });

  it('does the same in a worker', async () => {
    const url = new URL('every_kind.mjs', import.meta.url);
    const worker = new Worker(url, { workerData: { kind: name } });
    const [failures] = await once(worker, 'message');
    expect(failures).toEqual([]);
    await worker.terminate();
  });
});
