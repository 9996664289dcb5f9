import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';

// Set by .ci/run: a folder where each run leaves a report that can be counted.
const reports = process.env.ASYNCORE_TEST_REPORTS;
const report = `${reports}/${basename(process.cwd())}-${process.pid}.json`;

// How many seconds a test may take: threads and programs start slowly on a busy machine. Set where
// everything takes longer, as under valgrind.
const timeout = Number(process.env.ASYNCORE_TEST_PATIENCE ?? 20) * 1000;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: timeout,
    hookTimeout: timeout,
    teardownTimeout: timeout,
    // Vitest leaves one for itself, which has little to do: with two cores the tests took one.
    maxWorkers: Number(process.env.VITEST_MAX_WORKERS ?? availableParallelism()),
    reporters: reports ? ['default', ['json', { outputFile: report }]] : ['default'],
    // What is tested is what Node itself loads from dist.
    server: { deps: { external: [/\/dist\/.*\.js$/] } },
  },
});
