import { basename } from 'node:path';
import type { ViteUserConfig } from 'vitest/config';
import config from './vitest.config.ts';

/** A package, and its test files that run over every kind of transport. */
interface Streams {
  folder: string;
  files: readonly string[];
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
  if (ASYNCORE_TEST_QUICK === '1' || ASYNCORE_TEST_KINDS === 'plain') return config;
  const root = process.cwd();
  const own = { ...config, root, test: { ...config.test, name: basename(root) } };
  const over = (kind: string, { folder, files }: Streams) => ({
    ...config,
    root: folder,
    test: {
      ...config.test,
      name: `${basename(folder)} over ${kind}`,
      include: files.map((name) => `test/${name}.test.ts`),
      env: { ASYNCORE_TEST_TRANSPORT: kind },
      globalSetup: [], // `own` compiles
    },
  });
  const projects = kinds.flatMap((kind) => streams.map((each) => over(kind, each)));
  return { ...config, test: { ...config.test, projects: [own, ...projects] } };
}
