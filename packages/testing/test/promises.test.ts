/** What core and chat promise holds in whatever network: see promises.ts. */
import { explore, explore_all } from '@asyncore/testing';
import { describe, expect, it, vi } from 'vitest';
import { promises } from './promises.js';

vi.setConfig({ testTimeout: 120_000 });

const hosts = { 'there.example': '127.0.0.1', 'nowhere.example': '127.0.0.9' };
const runs = Number(process.env.ASYNCORE_SCHEDULES ?? 60);

describe.each(Object.entries(promises))('%s', (_, body) => {
  it('with every single cut, delay and order', async () => {
    expect(await explore_all({ hosts }, body)).toBeGreaterThan(10);
  });

  it(`in ${runs} networks`, async () => {
    expect(await explore({ hosts, runs }, body)).toBe(runs);
  });
});
