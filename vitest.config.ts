import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { defaultExclude, defineConfig } from 'vitest/config';
import slow from './scripts/slow_tests.json' with { type: 'json' };

const root = import.meta.dirname;

// Set by .ci/run: a folder where each run leaves a report that can be counted.
const reports = process.env.ASYNCORE_TEST_REPORTS;
const report = `${reports}/${basename(process.cwd())}-${process.pid}.json`;

// How many seconds a test may take: threads and programs start slowly on a busy machine. Set where
// everything takes longer, as under valgrind.
const timeout = Number(process.env.ASYNCORE_TEST_PATIENCE ?? 20) * 1000;

// Set by `npm run quick`.
const isQuick = process.env.ASYNCORE_TEST_QUICK === '1';
const slowHere = (slow as Record<string, string[]>)[basename(process.cwd())] ?? [];

const sources = [
  'socket/native',
  ...readdirSync(join(root, 'packages')).map((name) => `${name}/src`),
];

export default defineConfig({
  plugins: [
    {
      name: 'watch-sources',
      configureServer: ({ watcher }) => {
        watcher.add(sources.map((folder) => join(root, 'packages', folder)));
      },
    },
  ],
  test: {
    globalSetup: join(root, 'scripts/compile.mjs'),
    setupFiles: [
      join(root, 'scripts/bound_children.mjs'),
      ...(process.argv.includes('run') ? [] : [join(root, 'scripts/refuse_stale.mjs')]),
      // Set by `npm run coverage`.
      ...(process.env.ASYNCORE_TEST_COVERAGE ? [join(root, 'scripts/take_coverage.mjs')] : []),
    ],
    // Tests import packages from dist, so vitest does not know of their sources.
    forceRerunTriggers: [join(root, 'packages/*/src/**'), join(root, 'packages/*/native/*.[ch]')],
    exclude: [
      ...defaultExclude,
      ...(isQuick ? slowHere.map((name) => `test/${name}.test.ts`) : []),
    ],
    passWithNoTests: isQuick,
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
