import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { biome, tsconfig, workflow } from './config.js';
import { dockerfile, dockerignore, portsOf } from './container.js';
import { existing, header, simulated, source } from './examples.js';
import { link } from './link.js';
import { testsOf } from './tests.js';

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
  const text = Object.values(sources).join('\n');
  const imports = imported(text + mainFile(name));
  const files: Record<string, string> = {
    'package.json': json(manifest(name, title, imports)),
    'tsconfig.json': tsconfig,
    'biome.json': biome,
    '.gitignore': 'node_modules/\ndist/\n',
    '.github/workflows/test.yml': workflow,
    '.dockerignore': dockerignore,
    Dockerfile: dockerfile(name, text),
    'README.md': readme(name, title, portsOf(name, text)),
    'src/main.ts': mainFile(name),
    ...testsOf(name),
  };
  for (const [file, content] of Object.entries(sources)) files[`src/${file}.ts`] = content;
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
    name: packageName(title, name),
    version: '0.0.0',
    private: true,
    description: header(name).split('\n')[0],
    type: 'module',
    engines,
    scripts: {
      build: 'tsc',
      start: 'tsc && node dist/main.js',
      // Without a folder: Node 20 takes its name for one, later versions for that of a file.
      test: 'tsc && node --test',
      lint: 'biome check --error-on-warnings',
      format: 'biome check --write',
    },
    dependencies: Object.fromEntries(needed.map(published)),
    devDependencies: {
      '@biomejs/biome': devDependencies['@biomejs/biome'],
      '@types/node': devDependencies['@types/node'],
      ...typesOf(needed, devDependencies),
      typescript: devDependencies.typescript,
      ...(simulated(name) === null ? {} : testing(devDependencies)),
    },
  };
}

/** npm's names have no capitals and no spaces. */
function packageName(title: string, name: string): string {
  const plain = title.toLowerCase().replace(/[^a-z0-9-]+/g, '-');
  return plain.replace(/^-+|-+$/g, '') || name;
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

function readme(name: string, title: string, ports: string[]): string {
  const [line, ...rest] = header(name).split('\n');
  const usage = rest
    .map((text) => `${text}\n`)
    .join('')
    .replaceAll(new RegExp(`^( {4}.*?)\\b${name}\\b`, 'gm'), '$1npm start --');
  const image = packageName(title, name);
  const reached = ports.map((port) => ` -p ${Number.parseInt(port, 10)}:${port}`).join('');
  return `# ${title}

${line}
${usage}
\`\`\`sh
npm install
npm start        # what may follow: npm start -- ARGUMENTS
npm test
npm run lint     # and npm run format, which puts right what it can
\`\`\`

\`npm install\` writes package-lock.json. Keep it with the source: the container and
.github/workflows/test.yml, which lints and tests on each Node.js, install what it names.

\`\`\`sh
docker build -t ${image} .
docker run --rm --init${reached} ${image}     # arguments follow
\`\`\`

\`kill -USR2 PID\` has it print its channels as a table, and \`NODE_DEBUG=asyncore npm start\` tells what
happens to them.

Write \`override\` before a handler, as in \`override handle_read()\`: then the compiler finds one whose name
is misspelt. \`"noImplicitOverride": true\` in tsconfig.json asks for the word everywhere.

The program is [src/${name}.ts](src/${name}.ts), an example of
[asyncore](https://github.com/asyncore-node/asyncore) for Node.js.
`;
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
