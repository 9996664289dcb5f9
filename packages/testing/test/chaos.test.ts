/**
 * Whatever channels and peers do, in whatever network. ASYNCORE_SCHEDULES says in how many; `npm run fuzz`
 * goes on for as long as it is told (ASYNCORE_FUZZ_SECONDS, from ASYNCORE_FUZZ_SEED).
 */
import { explore } from '@asyncore/testing';
import { describe, expect, it } from 'vitest';
import { chaos } from './chaos/chaos.js';

const runs = Number(process.env.ASYNCORE_SCHEDULES ?? 2000);

describe('whatever channels and peers do, in whatever network', () => {
  for (const [name, use_poll] of [
    ['epoll or kqueue', null],
    ['poll', true],
    ['select', false],
  ] as const) {
    it(`${runs} times, by ${name}`, { timeout: 60_000 + runs * 60 }, async () => {
      const part = Math.ceil(runs / 3);
      const seed = { 'epoll or kqueue': 1, poll: 1 + part, select: 1 + 2 * part }[name];
      expect(await explore({ runs: part, seed, loop: { timeout: null, use_poll } }, chaos)).toBe(
        part,
      );
    });
  }
});
