import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';

// Set by .ci/run: a folder where each run leaves a report that can be counted.
const reports = process.env.ASYNCORE_TEST_REPORTS;
const report = `${reports}/${basename(process.cwd())}-${process.pid}.json`;

// Set where everything takes longer, as under valgrind: how many seconds a test may take.
const { ASYNCORE_TEST_PATIENCE } = process.env;
const timeout = Number(ASYNCORE_TEST_PATIENCE) * 1000;
const patience = { testTimeout: timeout, hookTimeout: timeout, teardownTimeout: timeout };

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    ...(ASYNCORE_TEST_PATIENCE ? patience : {}),
    reporters: reports ? ['default', ['json', { outputFile: report }]] : ['default'],
    // What is tested is what Node itself loads from dist.
    server: { deps: { external: [/\/dist\/.*\.js$/] } },
  },
});
