import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { existing, header, simulated, source } from './examples.js';
import { link } from './link.js';

const IMPORT = /^(?:import|export)\b[^;]*?from '([^']+)';/gms;

/**
 * Writes an example as a project of its own, and gives its folder and the commands that start it. Throws
 * when there is something in the folder already. A relative one is meant from where the user is: npm runs
 * a script elsewhere.
 */
export function copy(name: string, given: string): { folder: string; next: string } {
  const here = process.env.INIT_CWD ?? process.cwd();
  const folder = resolve(here, given);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Error(`${given} is not empty: name a folder that is, or a new one`);
  }
  const files = project(existing(name), basename(folder));
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { flag: 'wx' });
  }
  const steps = [`cd ${quoted(given)}`, 'npm install', 'npm start'];
  if (isCheckout()) {
    const { dependencies, devDependencies }: Manifest = JSON.parse(files['package.json']);
    link(folder, Object.keys({ ...dependencies, ...devDependencies }));
    steps.splice(1, 1);
  }
  return { folder, next: steps.join(' && ') };
}

/** As a word of the shell's. */
function quoted(path: string): string {
  const safe = path.startsWith('-') ? `./${path}` : path;
  return /^[\w@%+=:,./-]+$/.test(safe) ? safe : `'${safe.replaceAll("'", "'\\''")}'`;
}

const own = parsed(new URL('../../package.json', import.meta.url));

/** Whether this runs in a clone of the repository. What is published names versions of the packages. */
function isCheckout(): boolean {
  return Object.values(own.dependencies).some((range) => range.startsWith('workspace:'));
}

/** The files of the project, by their paths. */
function project(name: string, title: string): Record<string, string> {
  const sources = withImports(name);
  const imports = [...Object.values(sources), mainFile(name)].flatMap(imported);
  const files: Record<string, string> = {
    'package.json': json(manifest(name, title, imports)),
    'tsconfig.json': json(tsconfig),
    '.gitignore': 'node_modules/\ndist/\n',
    'README.md': readme(name, title),
    'src/main.ts': mainFile(name),
    [`test/${name}.test.js`]: isServer(name) ? serverTest(name) : importTest(name),
  };
  const promises = simulated(name);
  if (promises !== null) {
    files[`simulated/${name}.js`] = promises;
    files['test/simulated.test.js'] = simulatedTest(name);
  }
  for (const [file, text] of Object.entries(sources)) files[`src/${file}.ts`] = text;
  return files;
}

function mainFile(name: string): string {
  const args = source(name).includes('function main()') ? '' : 'process.argv.slice(2)';
  return `import { inspect_map } from '@asyncore/core';
import { main } from './${name}.js';

process.on('SIGUSR2', () => console.error(String(inspect_map()))); // kill -USR2 PID
await main(${args});
`;
}

/** What a source imports or exports from. */
function imported(text: string): string[] {
  return Array.from(text.matchAll(IMPORT), ([, from]) => from);
}

/** An example's source, and those that it imports, which may lie in a folder of its own. */
function withImports(name: string, found: Record<string, string> = {}): Record<string, string> {
  found[name] = source(name);
  for (const from of imported(found[name])) {
    if (!from.startsWith('.')) continue;
    const other = posix.join(posix.dirname(name), from.replace(/\.js$/, ''));
    if (!(other in found)) withImports(other, found);
  }
  return found;
}

const tsconfig = {
  compilerOptions: {
    target: 'ES2023',
    lib: ['ES2023', 'ESNext.Disposable'],
    module: 'NodeNext',
    types: ['node'],
    strict: true,
    erasableSyntaxOnly: true,
    skipLibCheck: true,
    sourceMap: true,
    rootDir: 'src',
    outDir: 'dist',
  },
  include: ['src'],
};

interface Manifest {
  version: string;
  engines: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

function parsed(url: URL | string): Manifest {
  return JSON.parse(readFileSync(new URL(url), 'utf8'));
}

function manifest(name: string, title: string, imports: string[]) {
  const { engines, dependencies, devDependencies } = own;
  const needed = Object.entries(dependencies).filter(([dependency]) =>
    imports.includes(dependency),
  );
  return {
    // npm's names have no capitals and no spaces.
    name:
      title
        .toLowerCase()
        .replace(/[^a-z0-9-]+/g, '-')
        .replace(/^-+|-+$/g, '') || name,
    version: '0.0.0',
    private: true,
    description: header(name).split('\n')[0],
    type: 'module',
    engines,
    // Without a folder: Node 20 takes its name for one, later versions for that of a file.
    scripts: { build: 'tsc', start: 'tsc && node dist/main.js', test: 'tsc && node --test' },
    dependencies: Object.fromEntries(needed.map(published)),
    devDependencies: {
      '@types/node': devDependencies['@types/node'],
      ...typesOf(needed, devDependencies),
      typescript: devDependencies.typescript,
      ...(simulated(name) === null ? {} : testing(devDependencies)),
    },
  };
}

/** The types of packages that have none of their own. */
function typesOf(needed: [name: string, range: string][], all: Record<string, string>) {
  const types = needed.map(([name]) => `@types/${name}`).filter((name) => name in all);
  return Object.fromEntries(types.map((name) => [name, all[name]]));
}

function testing({ '@asyncore/testing': range }: Record<string, string>): Record<string, string> {
  return Object.fromEntries([published(['@asyncore/testing', range])]);
}

/** In a checkout the packages need no particular version of each other; a project does. */
function published([name, range]: [name: string, range: string]): [string, string] {
  if (!range.startsWith('workspace:')) return [name, range];
  return [name, `^${parsed(import.meta.resolve(`${name}/package.json`)).version}`];
}

function readme(name: string, title: string): string {
  const [line, ...rest] = header(name).split('\n');
  const usage = rest
    .join('\n')
    .replaceAll(new RegExp(`^( {4}.*?)\\b${name}\\b`, 'gm'), '$1npm start --');
  return `# ${title}

${line}
${usage}

\`\`\`sh
npm install
npm start     # what may follow: npm start -- ARGUMENTS
npm test
\`\`\`

\`kill -USR2 PID\` has it print its channels as a table, and \`NODE_DEBUG=asyncore npm start\` tells what
happens to them.

Write \`override\` before a handler, as in \`override handle_read()\`: then the compiler finds one whose name
is misspelt. \`"noImplicitOverride": true\` in tsconfig.json asks for the word everywhere.

The program is [src/${name}.ts](src/${name}.ts), an example of
[asyncore](https://github.com/asyncore-node/asyncore) for Node.js.
`;
}

/** Whether it listens on a port that it prints, with no argument that has to be given. */
function isServer(name: string): boolean {
  const [, usage = ''] = new RegExp(`^ {4}${name}(.*)$`, 'm').exec(header(name)) ?? [];
  const required = usage.replaceAll(/\[[^\]]*\]/g, '').trim();
  return (
    usage.includes('[--port ') && required === '' && /\.(listen|create_server)\(/.test(source(name))
  );
}

function serverTest(name: string): string {
  return `import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));

test('${name} takes connections until it is told to end', async () => {
  const stdio = ['ignore', 'pipe', 'inherit'];
  const child = spawn(process.execPath, [program, '--port', '0'], { stdio });
  const closed = once(child, 'close');
  try {
    let port;
    for await (const line of createInterface(child.stdout)) {
      port = /:(\\d+)\\/?$/.exec(line)?.[1];
      if (port) break;
    }
    assert.ok(port, 'it did not print where it listens');
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
  } finally {
    child.kill();
    await closed;
  }
});
`;
}

function simulatedTest(name: string): string {
  return `/**
 * What simulated/${name}.js promises, in a simulated network: no ports, no waiting. \`explore\` delays, cuts,
 * reorders and breaks what the network carries, 100 times; a failure says how to do it again.
 */
import { test } from 'node:test';
import { explore } from '@asyncore/testing';
import * as promises from '../simulated/${name}.js';

for (const [name, promise] of Object.entries(promises)) {
  test(\`\${name} keeps its promises in whatever network\`, async () => {
    await explore({ runs: 100, globals: true }, promise);
  });
}
`;
}

function importTest(name: string): string {
  return `import assert from 'node:assert/strict';
import { test } from 'node:test';

test('${name} starts nothing when it is imported', async () => {
  const { main } = await import('../dist/${name}.js');
  assert.equal(typeof main, 'function');
});
`;
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
