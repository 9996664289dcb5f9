import { basename, join } from 'node:path';
import type { ViteUserConfig } from 'vitest/config';
import { byProcess, runsAll } from './scripts/sharing.mjs';
import whole, { config, ownProjects } from './vitest.config.ts';

/** A package, and its test files that run over every kind of transport. */
interface Streams {
  folder: string;
  files: readonly string[];
}

/**
 * Whether a command line, without its first two, runs only test files that it names, and none of `streams`. Then
 * the kinds need no projects, and each project takes vitest a tenth of a second.
 */
export function namesOthers(args: readonly string[], streams: readonly Streams[]): boolean {
  const [mode, ...names] = args.filter((arg) => !arg.startsWith('-'));
  const over = streams.flatMap(({ folder, files }) =>
    files.map((name) => join(folder, `test/${name}.test.ts`)),
  );
  const isOther = (name: string) =>
    name.startsWith('test/') && !over.some((file) => file.includes(name.replace(/:\d+$/, '')));
  return mode === 'run' && names.length > 0 && names.every(isOther);
}

/**
 * The config of a package whose tests run as always, and then those of `streams` over each of these
 * `kinds` of transport: see test-support/transport_kinds.ts. `npm run quick` leaves them out, and .ci/run
 * where the same runs on another Node or on sanitized C.
 */
export function overEveryKind(
  kinds: readonly string[],
  ...streams: readonly Streams[]
): ViteUserConfig {
  const { ASYNCORE_TEST_QUICK, ASYNCORE_TEST_KINDS } = process.env;
  const args = process.argv.slice(2);
  if (ASYNCORE_TEST_QUICK || ASYNCORE_TEST_KINDS === 'plain') return whole;
  if (namesOthers(args, streams)) return config;
  const isShared = runsAll(args);
  const over = (kind: string, { folder, files }: Streams) => {
    const name = `${basename(folder)} over ${kind}`;
    const include = files.map((file) => `test/${file}.test.ts`);
    const env = { ASYNCORE_TEST_TRANSPORT: kind };
    if (isShared) return byProcess(config, folder, name, include, env);
    return { ...config, root: folder, test: { ...config.test, name, include, env } };
  };
  const root = process.cwd();
  const own = { ...config, root, test: { ...config.test, name: basename(root) } };
  const projects = kinds.flatMap((kind) => streams.flatMap((each) => over(kind, each)));
  return {
    ...config,
    test: { ...config.test, projects: [...(isShared ? ownProjects() : [own]), ...projects] },
  };
}
