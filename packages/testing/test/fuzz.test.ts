/** For as long as ASYNCORE_FUZZ_SECONDS says: chaos, and all promises, in ever other networks. */
import { explore } from '@asyncore/testing';
import { expect, it } from 'vitest';
import { chaos } from './chaos/chaos.js';
import { promises } from './promises.js';

const seconds = Number(process.env.ASYNCORE_FUZZ_SECONDS ?? 2);
const first = Number(process.env.ASYNCORE_FUZZ_SEED ?? Date.now() % 2 ** 32);
const ROUND = 20;
const hosts = { 'there.example': '127.0.0.1', 'nowhere.example': '127.0.0.9' };

it(
  'no network brings to light what others did not',
  async () => {
    const end = performance.now() + seconds * 1000;
    let seed = first;
    do {
      for (const use_poll of [null, true, false]) {
        const loop = { timeout: null, use_poll };
        await explore({ runs: ROUND, seed, loop }, chaos);
        for (const body of Object.values(promises)) {
          await explore({ runs: 2, seed, hosts, loop }, body);
        }
        seed += ROUND;
      }
    } while (performance.now() < end);
    console.log(`seeds ${first} to ${seed - 1}`);
    expect(seed).toBeGreaterThan(first);
  },
  (seconds + 120) * 1000,
);
