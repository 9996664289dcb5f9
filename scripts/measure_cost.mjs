/** Vitest's setupFiles of `npm run test-costs`: adds a line for each test file to what ASYNCORE_TEST_COSTS names. */
import { appendFileSync, readFileSync } from 'node:fs';
import { afterAll, expect } from 'vitest';

const start = performance.now();

/** Seconds of processor time that processes took which this one has started and seen end; Linux only. */
function ofChildren() {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(14, 16);
  return (Number(user) + Number(system)) / 100;
}

afterAll(() => {
  const { user, system } = process.cpuUsage();
  const cost = {
    file: expect.getState().testPath,
    processor: (user + system) / 1e6 + ofChildren(),
    clock: (performance.now() - start) / 1000,
  };
  appendFileSync(process.env.ASYNCORE_TEST_COSTS, `${JSON.stringify(cost)}\n`);
});
