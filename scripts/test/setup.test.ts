import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import compile, { imported } from '../compile.mjs';

const root = join(import.meta.dirname, '../..');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'asyncore-setup-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('setup names a compiler that is missing before it installs anything', () => {
  for (const path of [
    'scripts/setup.mjs',
    'scripts/compile.mjs',
    'scripts/node_version.mjs',
    'packages/socket/scripts',
    'packages/socket/native',
  ]) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  const { npm_config_user_agent, CC, MAKE, PYTHON, npm_config_python, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/setup.mjs'], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...env, PATH: join(folder, 'empty') },
  });
  expect(stderr).toContain('without a C compiler, make, python3: apt install');
  expect([status, stdout, existsSync(join(folder, 'node_modules'))]).toEqual([1, '', false]);
});

it.each(['scripts/setup.mjs', 'scripts/only_pnpm.mjs', 'packages/examples/dist/main.js'])(
  '%s ends in one line where Node is too old',
  (program) => {
    const old = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.10.0' } })`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', old, join(root, program)],
      { encoding: 'utf8' },
    );
    expect(stderr).toBe('asyncore needs Node.js 20.19 or later, and this is 20.10.0\n');
    expect([status, stdout]).toEqual([1, '']);
  },
);

describe('what runs before the tests of a package', () => {
  let rerun: () => Promise<void>;
  const vitest = (watch = false) => ({
    config: { root: folder, watch },
    onTestsRerun: (again: () => Promise<void>) => {
      rerun = again;
    },
  });
  beforeEach(() => {
    const options = { outDir: 'dist', rootDir: 'src', types: [], target: 'ES2023' };
    const config = { compilerOptions: options, include: ['src'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    mkdirSync(join(folder, 'src'));
  });

  it('compiles what has changed', async () => {
    for (const number of [1, 2]) {
      writeFileSync(join(folder, 'src/a.ts'), `export const a = ${number};`);
      await compile(vitest());
      expect(readFileSync(join(folder, 'dist/a.js'), 'utf8')).toContain(`a = ${number}`);
    }
  });

  it.each([
    ['tls', 'chat'],
    ['testing', 'file'],
    ['examples', 'testing'],
  ])('compiles also what only tests import: those of %s import %s', (name, other) => {
    const packages = join(root, 'packages');
    expect(imported(join(packages, name))).toEqual(
      expect.arrayContaining([join(packages, name), join(packages, other)]),
    );
  });

  it('throws when something does not compile', async () => {
    writeFileSync(join(folder, 'src/a.ts'), 'export const a: string = 1;');
    await expect(compile(vitest())).rejects.toThrow('does not compile');
  });

  it('has all tests fail in watch mode until it compiles, also at the start', async () => {
    writeFileSync(join(folder, 'src/a.ts'), 'export const a: string = 1;');
    await compile(vitest(true));
    expect(process.env.ASYNCORE_TEST_STALE).toBe('1');
    writeFileSync(join(folder, 'src/a.ts'), 'export const a = 1;');
    await rerun();
    expect(process.env.ASYNCORE_TEST_STALE).toBe(undefined);
  });
});

it('quick fails when no file that it was given is there and fast', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'scripts/test.mjs'), 'quick', 'socket', 'test/no_such'],
    { encoding: 'utf8', timeout: 60_000 },
  );
  expect(stdout + stderr).toContain('No test files found');
  expect(status).toBe(1);
});

it('test runs the tests of packages, from any folder', () => {
  const { status, stderr } = spawnSync(join(root, 'test'), ['no_such'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(stderr).toContain('There is no package no_such.');
  expect(status).toBe(1);
});
