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

/** The same of this one and of those. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + ofChildren();
}

// Where test files share a process, the first of them bears its start.
const MEASURED = Symbol.for('asyncore: processor time of the test files so far');
const before = process[MEASURED] ?? 0;

afterAll(() => {
  const after = processorTime();
  process[MEASURED] = after;
  const cost = {
    file: expect.getState().testPath,
    processor: after - before,
    clock: (performance.now() - start) / 1000,
  };
  appendFileSync(process.env.ASYNCORE_TEST_COSTS, `${JSON.stringify(cost)}\n`);
});
