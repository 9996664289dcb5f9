/** What core and chat promise holds in whatever network: see promises.ts. */
import { explore, explore_all } from '@asyncore/testing';
import { describe, expect, it, vi } from 'vitest';
import { promises } from './promises.js';

vi.setConfig({ testTimeout: 120_000 });

const hosts = { 'there.example': '127.0.0.1', 'nowhere.example': '127.0.0.9' };
/** A hundredth of what chaos gets. */
const runs = Math.ceil(Number(process.env.ASYNCORE_SCHEDULES ?? 6000) / 100);
const all = Object.entries(promises);

describe('with every single cut, delay and order', () => {
  it.each(all)('%s', async (_, body) => {
    expect(await explore_all({ hosts }, body)).toBeGreaterThan(10);
  });
});

describe(`in ${runs} networks`, () => {
  it.each(all)('%s', async (_, body) => {
    expect(await explore({ hosts, runs }, body)).toBe(runs);
  });
});
