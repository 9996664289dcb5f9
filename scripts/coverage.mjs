/**
 * Which lines the tests run: `npm run coverage`, or `-- core chat` for these packages. It counts the processes and
 * worker threads that tests start, too, unless a signal ends them. Prints a table of lines, and writes pages to
 * coverage/index.html.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readArguments } from './arguments.mjs';

const root = dirname(import.meta.dirname);
const all = readdirSync(join(root, 'packages'));
const { positionals: names, refuse } = readArguments('npm run coverage -- [PACKAGE…]', {
  allowPositionals: true,
});
for (const name of names) {
  if (!all.includes(name)) refuse(`There is no package ${name}, only ${all.join(', ')}.`);
}
const temp = mkdtempSync(join(tmpdir(), 'asyncore-coverage-'));
const measured = names.length > 0 ? names : all;

function run(cwd, command, args, env = {}) {
  const options = { cwd, stdio: 'inherit', env: { ...process.env, ...env } };
  return spawnSync(join(root, 'node_modules/.bin', command), args, options).status;
}

try {
  for (const name of measured) {
    const cwd = join(root, 'packages', name);
    if (!existsSync(join(cwd, 'test'))) continue;
    // The files are many, and large: one report for each package.
    const folder = join(temp, name);
    // Tests that measure time may fail, since everything takes longer.
    run(cwd, 'vitest', ['run'], {
      NODE_V8_COVERAGE: folder,
      ASYNCORE_TEST_COVERAGE: '1',
      ASYNCORE_TEST_PATIENCE: process.env.ASYNCORE_TEST_PATIENCE ?? '60',
    });
    const status = run(root, 'c8', [
      'report',
      `--temp-directory=${folder}`,
      `--reports-dir=coverage/${name}`,
      '--reporter=text',
      '--reporter=html',
      '--exclude-after-remap',
      `--include=packages/${name}/src/**`,
    ]);
    if (status !== 0) process.exitCode = 1;
    rmSync(folder, { recursive: true, force: true });
  }
} finally {
  rmSync(temp, { recursive: true, force: true });
}
