/** What simulated time costs in real time. The best of some tries counts, of processor time: others may run here too. */
import { dispatcher } from '@asyncore/core';
import { simulate } from '@asyncore/testing';
import { expect, it } from 'vitest';

/** The milliseconds of processor time that the best of ten takes. */
async function cost(body: () => Promise<void>): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < 10; i++) {
    const before = process.cpuUsage();
    await body();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

class Patient extends dispatcher {
  override timeout = 300;
  override log_info() {}
}

it('300 seconds take less than 50 ms', async () => {
  const spent = await cost(() =>
    simulate({}, async (net) => {
      const listener = net.listen(['127.0.0.1', 7000]);
      const channel = new Patient();
      channel.create_socket();
      channel.connect(['127.0.0.1', 7000]);
      const peer = await listener.accept();
      expect(await peer.end()).toBe('end'); // since nothing moved for so long
      expect(net.now).toBeGreaterThan(300);
    }),
  );
  expect(spent).toBeLessThan(50);
});

it('a wait that cannot succeed fails within 50 ms', async () => {
  const spent = await cost(() =>
    simulate({}, async (net) => {
      const peer = net.connect(['127.0.0.1', 7000]);
      await expect(peer.expect('hello')).rejects.toThrow('hello');
      await expect(net.until(() => false, 'never', Infinity)).rejects.toThrow('never');
    }),
  );
  expect(spent).toBeLessThan(50);
});
