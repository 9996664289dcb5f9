import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { names, run, runner } from './example.js';

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore-copy-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function read(folder: string, file: string): string {
  return readFileSync(join(folder, file), 'utf8');
}

it.each(names)('makes a project of %s whose tests pass', async (name) => {
  const folder = join(newFolder(), 'project');
  const { code, stderr } = await run('copy', name, folder);
  expect([code, stderr]).toEqual([0, '']);
  expect(read(folder, `src/${name}.ts`)).toBe(
    readFileSync(new URL(`../src/${name}.ts`, import.meta.url), 'utf8'),
  );
  const test = spawnSync('npm', ['test'], { cwd: folder, encoding: 'utf8' });
  // Its own, and one for each promise. Which reporter node --test has by default depends on its version.
  const promises = existsSync(join(folder, 'simulated'))
    ? read(folder, `simulated/${name}.js`).match(/^export async function /gm)
    : null;
  const [, passed] = /^(?:#|ℹ) pass (\d+)$/m.exec(test.stdout + test.stderr) ?? [];
  expect(Number(passed)).toBe(1 + (promises?.length ?? 0));
  expect(test.stdout + test.stderr).toMatch(/^(?:#|ℹ) fail 0$/m);
  expect(test.status).toBe(0);
});

it('gives an example that is simulated its promises along, which fail when they are broken', async () => {
  const folder = join(newFolder(), 'project');
  await run('copy', 'echo_server', folder);
  const file = join(folder, 'src/echo_server.ts');
  const text = read(folder, 'src/echo_server.ts');
  writeFileSync(file, text.replace('this.send(data)', 'this.send(data.subarray(0, 700))'));
  const { status, stdout, stderr } = spawnSync('npm', ['test'], { cwd: folder, encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stdout + stderr).toMatch(/echo_server keeps its promises in whatever network/);
});

it('asks for the packages that the program imports, and no others', async () => {
  const folder = join(newFolder(), 'My Server');
  await run('copy', 'echo_server', folder);
  const { name, dependencies, devDependencies } = JSON.parse(read(folder, 'package.json'));
  expect(name).toBe('my-server');
  expect(Object.keys(dependencies)).toEqual(['@asyncore/core', '@asyncore/socket']);
  for (const range of Object.values(dependencies)) expect(range).toMatch(/^\^\d+\.\d+\.\d+$/);
  expect(Object.keys(devDependencies)).toEqual(['@types/node', 'typescript', '@asyncore/testing']);
  expect(read(folder, 'README.md')).toContain(
    '    npm start -- [--host 127.0.0.1] [--port 8080]\n',
  );
});

it('copies into a folder that is there and empty, with npm start too', async () => {
  const folder = newFolder();
  const { code } = await run('run', 'copy', 'bare_sockets', folder);
  expect([code, existsSync(join(folder, 'package.json'))]).toEqual([0, true]);
});

it('takes a relative folder from where the user is, and says how to go on', () => {
  const there = newFolder();
  const args = [runner, 'copy', 'echo_server', 'My Server'];
  const env = { ...process.env, INIT_CWD: there };
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  const folder = join(there, 'My Server');
  // In a clone there is nothing to install: node_modules leads to its packages.
  expect(stdout).toBe(`echo_server is in ${folder}. Now: cd 'My Server' && npm start\n`);
  expect(existsSync(join(folder, 'node_modules/@asyncore/core/package.json'))).toBe(true);
});

it('asks for types that can be stripped', async () => {
  const folder = join(newFolder(), 'project');
  await run('copy', 'echo_server', folder);
  const { compilerOptions } = JSON.parse(read(folder, 'tsconfig.json'));
  expect(compilerOptions).toMatchObject({ erasableSyntaxOnly: true, types: ['node'] });
});

it('writes nothing where there is something', async () => {
  const folder = newFolder();
  mkdirSync(join(folder, 'src'));
  const { code, stderr } = await run('copy', 'echo_server', folder);
  expect(stderr).toBe(`copy: ${folder} is not empty: name a folder that is, or a new one\n`);
  expect([code, existsSync(join(folder, 'package.json'))]).toEqual([1, false]);
});

it.each(['', 'echo_server', 'nope there', 'runner there', 'echo_server there more'])(
  'says in one line what is wrong with copy %s',
  async (args) => {
    const { code, stdout, stderr } = await run('copy', ...args.split(' ').filter(Boolean));
    expect(stderr).toMatch(/^copy: (usage: copy NAME FOLDER|there is no such example.*)\n$/);
    expect([code, stdout.length]).toEqual([1, 0]);
  },
);
