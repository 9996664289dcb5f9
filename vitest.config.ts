import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { quickFiles } from './scripts/quick_files.mjs';
import costs from './scripts/test_costs.json' with { type: 'json' };

const root = import.meta.dirname;

// Set by .ci/run: a folder where each run leaves a report that can be counted.
const reports = process.env.ASYNCORE_TEST_REPORTS;
const report = `${reports}/${basename(process.cwd())}-${process.pid}.json`;

// How many seconds a test may take: threads and programs start slowly on a busy machine. Set where
// everything takes longer, as under valgrind.
const timeout = Number(process.env.ASYNCORE_TEST_PATIENCE ?? 20) * 1000;

// Set by `npm run quick`, and by .ci/run: how many seconds of work the test files may take that are run.
const isQuick = Boolean(process.env.ASYNCORE_TEST_QUICK);

const known: Record<string, Record<string, number>> = costs;

/** The test files of this package that are quick. */
function quickHere(): string[] {
  const files = readdirSync('test', { recursive: true }).map(String);
  const tests = files.filter((name) => name.endsWith('.test.ts'));
  const names = tests.map((name) => name.slice(0, -'.test.ts'.length));
  const budget = Number(process.env.ASYNCORE_TEST_QUICK);
  return quickFiles(names, known[basename(process.cwd())], budget).map(
    (name) => `test/${name}.test.ts`,
  );
}

/** Begins with the files that take longest, so that none of them runs alone at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const cost = ({ moduleId }: TestSpecification) => {
      const [, name, file] = /([^/]+)\/test\/(.*)\.test\.ts$/.exec(moduleId) ?? [];
      return known[name]?.[file] ?? 1;
    };
    return files.toSorted((a, b) => cost(b) - cost(a));
  }
}

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
      // Set by `npm run test-costs`.
      ...(process.env.ASYNCORE_TEST_COSTS ? [join(root, 'scripts/measure_cost.mjs')] : []),
    ],
    // Tests import packages from dist, so vitest does not know of their sources.
    forceRerunTriggers: [join(root, 'packages/*/src/**'), join(root, 'packages/*/native/*.[ch]')],
    passWithNoTests: isQuick,
    // In watch mode Vitest begins with what failed.
    ...(process.argv.includes('run') ? { sequence: { sequencer: LongestFirst } } : {}),
    include: isQuick ? quickHere() : ['test/**/*.test.ts'],
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
