// In a process of its own: its programs take so long that a start more does not count.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { copy } from '../dist/runner/copy.js';
import { names, run, runner } from './example.js';

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore-copy-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function read(folder: string, file: string): string {
  return readFileSync(join(folder, file), 'utf8');
}

/** Its own test, and one for each of its promises, as they are named. */
function testsOf(name: string, folder: string): string[] {
  const promises = existsSync(join(folder, 'simulated'))
    ? read(folder, `simulated/${name}.js`).matchAll(/^export async function (\w+)/gm)
    : [];
  return [
    `${name} (?:takes connections until it is told to end|starts nothing when it is imported)`,
    ...Array.from(promises, ([, promise]) => `${promise} keeps its promises in whatever network`),
  ];
}

/** A project of every example, beside each other, by its name. */
function copyAll(): [folder: string, projects: Map<string, string>] {
  const folder = newFolder();
  const projects = names.map((name): [string, string] => [name, join(folder, name)]);
  for (const [name, project] of projects) copy(name, project);
  return [folder, new Map(projects)];
}

/** What a script of Node's comes to in `folder`. This process stays free, since it may take a minute. */
function outcome(folder: string, ...args: string[]): Promise<[status: unknown, string, string]> {
  const options = { cwd: folder, maxBuffer: 2 ** 26, timeout: 240_000 };
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) =>
      resolve([error === null ? 0 : error.code, stdout, stderr]),
    );
  });
}

// A compiler, a linter and a runner of tests for each project take a minute of processor time; one for all, seconds.
// That the scripts themselves work, as npm runs them, is tried with two of the projects below.
it('makes projects that compile and pass their tests', { timeout: 300_000 }, async () => {
  const [folder, projects] = copyAll();
  const tsc = join(folder, names[0], 'node_modules/.bin/tsc');
  expect(await outcome(folder, tsc, '-b', ...names)).toEqual([0, '', '']);
  const expected: string[] = [];
  const files: string[] = [];
  for (const [name, project] of projects) {
    expect(read(project, `src/${name}.ts`)).toBe(
      readFileSync(new URL(`../src/${name}.ts`, import.meta.url), 'utf8'),
    );
    const { scripts } = JSON.parse(read(project, 'package.json'));
    expect(scripts).toMatchObject({
      test: 'tsc && node --test',
      lint: 'biome check --error-on-warnings',
    });
    for (const [, script] of read(project, '.github/workflows/test.yml').matchAll(
      /npm run (\S+)/g,
    )) {
      expect(scripts).toHaveProperty(script);
    }
    const test = `${name}/test/simulated.test.js`;
    const isSimulated = existsSync(join(folder, test));
    // simulated.test.ts runs the same promises on the same sources a hundred times.
    if (isSimulated && name !== 'echo_server') {
      const text = read(folder, test);
      expect(text).toContain('{ runs: 100,');
      writeFileSync(join(folder, test), text.replace('{ runs: 100,', '{ runs: 3,'));
    }
    files.push(`${name}/test/${name}.test.js`, ...(isSimulated ? [test] : []));
    expected.push(...testsOf(name, project));
  }
  const [status, stdout] = await outcome(folder, '--test', '--test-reporter=tap', ...files);
  expect(stdout).toMatch(/^# fail 0$/m);
  expect(status).toBe(0);
  for (const title of expected) expect(stdout).toMatch(new RegExp(`^ *ok \\d+ - ${title}$`, 'm'));
  expect(stdout).toContain(`\n# pass ${expected.length}\n`);
});

it('makes projects that pass their linter', { timeout: 300_000 }, async () => {
  const [folder, projects] = copyAll();
  // Biome takes one file of settings at a time: theirs, which is the same in all of them.
  const settings = read(folder, `${names[0]}/biome.json`);
  writeFileSync(join(folder, 'biome.json'), settings);
  let count = 1;
  for (const [, project] of projects) {
    expect(read(project, 'biome.json')).toBe(settings);
    rmSync(join(project, 'biome.json'));
    const files = readdirSync(project)
      .filter((name) => name !== 'node_modules') // with links that never end
      .flatMap((name) => [
        name,
        ...(statSync(join(project, name)).isDirectory()
          ? readdirSync(join(project, name), { recursive: true, encoding: 'utf8' })
          : []),
      ]);
    count += files.filter((file) => /\.(?:ts|js|json|yml)$/.test(file)).length;
  }
  const biome = join(folder, names[0], 'node_modules/.bin/biome');
  const [status, , stderr] = await outcome(folder, biome, 'check', '--error-on-warnings');
  expect([status, stderr]).toEqual([0, expect.not.stringMatching(/warning|error/i)]);
  expect(stderr).toMatch(new RegExp(`^Checked ${count} files `, 'm'));
});

it('makes a linter of a project that finds what is wrong', async () => {
  const folder = join(newFolder(), 'project');
  await run('copy', 'echo_server', folder);
  writeFileSync(join(folder, 'src/more.ts'), 'export let never = 1;\n');
  const { status, stderr } = spawnSync('npm', ['run', 'lint'], { cwd: folder, encoding: 'utf8' });
  expect(stderr).toMatch(/src\/more\.ts.* lint\/style\/useConst/);
  expect(status).toBe(1);
});

it('makes a project that npm test and npm run lint are for', async () => {
  const folder = join(newFolder(), 'project');
  const { code, stderr } = await run('copy', 'bare_sockets', folder);
  expect([code, stderr]).toEqual([0, '']);
  for (const args of [['test'], ['run', 'lint']]) {
    expect(spawnSync('npm', args, { cwd: folder }).status).toBe(0);
  }
});

/** Does what a Dockerfile says, but for npm ci, and gives what its container runs. */
function built(project: string): { image: string; entry: string[] } {
  const [build, image] = [newFolder(), newFolder()];
  const modules = join(project, 'node_modules');
  symlinkSync(modules, join(build, 'node_modules'));
  const text = read(project, 'Dockerfile');
  for (const [, from, files, to] of text.matchAll(/^COPY (--from=build )?(.*) (\S+)$/gm)) {
    for (const file of files.split(' ').filter((file) => file !== 'package-lock.json')) {
      const source = from ? join(build, relative('/app', file)) : join(project, file);
      const target = join(from ? image : build, to === './' ? basename(file) : to);
      if (from && !existsSync(join(build, 'dist'))) {
        expect(spawnSync('npm', ['run', 'build'], { cwd: build }).status).toBe(0);
      }
      cpSync(source, target, { recursive: true });
    }
  }
  const [, entry] = /^ENTRYPOINT (\[.*\])$/m.exec(text) ?? [];
  return { image, entry: JSON.parse(entry) };
}

it('makes a container that builds, and serves clients outside of it', async () => {
  const project = join(newFolder(), 'project');
  await run('copy', 'echo_server', project);
  const { image, entry } = built(project);
  const [command, ...args] = entry;
  expect(command).toBe('node');
  const child = spawn(process.execPath, [...args, '--port', '0'], { cwd: image });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  expect(String(line)).toMatch(/^echoing on 0\.0\.0\.0:\d+\n$/);
});

it.each([
  ['echo_server', ['8080'], true],
  ['live_view', ['8080'], true],
  ['udp_echo', ['8080/udp'], true],
  ['log_relay', ['5140/udp', '5141'], false],
  ['ftp_server', ['2121'], true],
  ['tee_stdin', [], false],
  ['http_client', [], false],
])('says where the container of %s is reached', async (name, ports, hasHost) => {
  const folder = join(newFolder(), 'project');
  await run('copy', name, folder);
  const text = read(folder, 'Dockerfile');
  expect(/^EXPOSE (.*)$/m.exec(text)?.[1].split(' ') ?? []).toEqual(ports);
  expect(text.includes('"--host", "0.0.0.0"')).toBe(hasHost);
  for (const port of ports) {
    expect(read(folder, 'README.md')).toContain(` -p ${Number.parseInt(port, 10)}:${port} `);
  }
});

it('lists what there is to copy, and what each is for', async () => {
  const { code, stdout, stderr } = await run('copy', '--list');
  expect(stdout).toEqual((await run('--list')).stdout);
  expect([code, stderr]).toEqual([0, '']);
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
  expect(Object.keys(devDependencies)).toEqual([
    '@biomejs/biome',
    '@types/node',
    'typescript',
    '@asyncore/testing',
  ]);
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
    expect(stderr).toMatch(
      /^copy: (usage: copy NAME FOLDER, or copy --list|there is no such example.*)\n$/,
    );
    expect([code, stdout.length]).toEqual([1, 0]);
  },
);
