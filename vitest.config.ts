import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';

// Set by .ci/run: a folder where each run leaves a report that can be counted.
const reports = process.env.ASYNCORE_TEST_REPORTS;
const report = `${reports}/${basename(process.cwd())}-${process.pid}.json`;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: reports ? ['default', ['json', { outputFile: report }]] : ['default'],
    // What is tested is what Node itself loads from dist.
    server: { deps: { external: [/\/dist\/.*\.js$/] } },
  },
});
