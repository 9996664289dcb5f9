import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { quickFiles } from './scripts/quick_files.mjs';
import { byProcess, runsAll, testFiles } from './scripts/sharing.mjs';
import costs from './scripts/test_costs.json' with { type: 'json' };

const root = import.meta.dirname;

// Set by .ci/run: a folder where each run leaves a report that can be counted.
const reports = process.env.ASYNCORE_TEST_REPORTS;
const report = `${reports}/${basename(process.cwd())}-${process.pid}.json`;

// How many seconds a test may take: threads and programs start slowly on a busy machine. Set where
// everything takes longer, as under valgrind.
const timeout = Number(process.env.ASYNCORE_TEST_PATIENCE ?? 20) * 1000;

// With it Node 20 parses all its certificates whenever it starts, which takes a tenth of a second, and the tests start
// Node many hundred times. None of them asks another machine.
delete process.env.NODE_EXTRA_CA_CERTS;

// Set by `npm run quick`, and by .ci/run: how many seconds of work the test files may take that are run.
const isQuick = Boolean(process.env.ASYNCORE_TEST_QUICK);

const known: Record<string, Record<string, number>> = costs;

/** The test files of this package that are quick. */
function quickHere(): string[] {
  const names = testFiles('.').map((file) => file.slice('test/'.length, -'.test.ts'.length));
  const budget = Number(process.env.ASYNCORE_TEST_QUICK);
  return quickFiles(names, known[basename(process.cwd())], budget).map(
    (name) => `test/${name}.test.ts`,
  );
}

/**
 * Begins with the files that take longest, so that none of them runs alone at the end. Those that share a process
 * come together: Vitest ends a process when the next file does not share it.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const cost = ({ moduleId }: TestSpecification) => {
      const [, name, file] = /([^/]+)\/test\/(.*)\.test\.ts$/.exec(moduleId) ?? [];
      return known[name]?.[file] ?? 1;
    };
    const projects = [...new Set(files.map(({ project }) => project))];
    const rank = ({ project }: TestSpecification) =>
      project.config.isolate ? -1 : projects.indexOf(project);
    return files.toSorted((a, b) => rank(a) - rank(b) || cost(b) - cost(a));
  }
}

const sources = [
  'socket/native',
  ...readdirSync(join(root, 'packages')).map((name) => `${name}/src`),
];

// By its path, so that Vite does not bundle it: it has to be the module in which test.mjs has started to compile.
const { default: compile } = await import(join(root, 'scripts/compile.mjs'));
/** Begun by the first of the projects. */
let compiling: Promise<void> | undefined;

export const config = defineConfig({
  plugins: [
    {
      name: 'compile',
      configureServer: ({ watcher }) => {
        watcher.add(sources.map((folder) => join(root, 'packages', folder)));
      },
      // Not as a globalSetup, for which vitest loads the module a second time, through Vite.
      configureVitest: ({ vitest }) => {
        compiling ??= compile(vitest).finally(() => {
          compiling = undefined;
        });
        return compiling;
      },
      // Sources are watched, so tests would run once more when what is made of them is written.
      configResolved: ({ server }) => {
        if (server.watch === null) return; // a project's, or an editor's, which has events of its own
        server.watch = { ...server.watch, ignored: [join(process.cwd(), 'dist')] };
      },
    },
  ],
  test: {
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

/** Vitest's projects for the test files of the package in whose folder it is started. */
export function ownProjects() {
  return byProcess(
    config,
    process.cwd(),
    basename(process.cwd()),
    isQuick ? quickHere() : testFiles('.'),
  );
}

export default runsAll(process.argv.slice(2))
  ? { ...config, test: { ...config.test, projects: ownProjects() } }
  : config;
