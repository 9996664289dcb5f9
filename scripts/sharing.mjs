/** Which test files share a process: starting one for each takes half a second of processor time. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How a test file says that it has to have a process of its own, and why. */
export const ALONE = /^\/\/ In a process of its own: /m;

/**
 * Whether a command line of vitest, without its first two, runs all test files that there are. In watch mode, and
 * where somebody names files, each has a process of its own.
 *
 * @param {readonly string[]} args
 */
export function runsAll(args) {
  const words = args.filter((arg) => !arg.startsWith('-'));
  return words.length === 1 && words[0] === 'run' && !process.env.ASYNCORE_TEST_COVERAGE;
}

/** The test files in a folder, as it names them. */
export function testFiles(folder) {
  const files = readdirSync(join(folder, 'test'), { recursive: true });
  return files.map((file) => `test/${file}`).filter((file) => file.endsWith('.test.ts'));
}

/**
 * Vitest's projects for test files of a folder: those that share a process, which share_process.mjs watches, and those
 * that say that they have to be alone.
 *
 * @template {import('vitest/config').ViteUserConfig} Config
 * @param {Config} config
 * @param {string} folder
 * @param {string} name
 * @param {string[]} files
 * @param {Record<string, string>} [env]
 * @returns {Config[]}
 */
export function byProcess(config, folder, name, files, env = {}) {
  const isAlone = (file) => ALONE.test(readFileSync(join(folder, file), 'utf8'));
  const project = (title, include, options) => {
    const test = { ...config.test, name: title, include, env, ...options };
    return { ...config, root: folder, test };
  };
  const share = join(import.meta.dirname, 'share_process.mjs');
  return [
    project(
      name,
      files.filter((file) => !isAlone(file)),
      {
        isolate: false,
        setupFiles: [share, ...config.test.setupFiles],
      },
    ),
    project(`${name}, alone`, files.filter(isAlone), {}),
  ].filter(({ test }) => test.include.length > 0);
}
