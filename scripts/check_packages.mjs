/**
 * Packs the packages, installs the tarballs in empty projects outside the workspace, each alone and
 * all together, and uses them there: imported, required, in TypeScript, bundled, in vitest, copied from the
 * examples. And raises the versions in a copy of the repository, and updates projects to them: updates.mjs. Prints a line for
 * each check.
 */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { unfit } from '../packages/socket/scripts/binaries.mjs';
import { CLIENTS, Updates } from './updates.mjs';

const root = dirname(import.meta.dirname);
const consumers = join(root, 'scripts/consumer');
const temp = mkdtempSync(join(tmpdir(), 'asyncore-packages-'));
const names = ['socket', 'core', 'chat', 'file', 'stream', 'testing', 'tls', 'examples'];
/** `npm run check:packages -- versions` does that part alone: together, versions, or a package's name. */
const [, , only] = process.argv;
let passed = 0;
const failed = [];

/** One check: what `body` throws is its failure. */
async function check(title, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok      ${title}`);
  } catch (error) {
    failed.push(title);
    console.log(`FAILED  ${title}\n${String(error.message).replaceAll(/^/gm, '        ')}`);
  }
}

function hold(condition, message) {
  if (!condition) throw new Error(message);
}

/** Runs a program to its end and gives what it prints; throws all of that if it fails. */
async function run(cwd, command, ...args) {
  const { npm_config_user_agent, INIT_CWD, ...env } = process.env;
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd,
      timeout: 90_000,
      maxBuffer: 1e8,
      env: { ...env, NO_COLOR: '1', NO_UPDATE_NOTIFIER: '1' },
    });
    return stdout;
  } catch ({ code, signal, stdout, stderr, message }) {
    const how = signal ?? (typeof code === 'number' ? `exit code ${code}` : message);
    throw new Error(`${command} ${args.join(' ')}: ${how}\n${stdout}${stderr}`);
  }
}

const bin = (name) => join(root, 'node_modules/.bin', name);
const parsed = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'));
const write = (file, value) => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
const needed = ({ dependencies }) =>
  Object.keys(dependencies ?? {}).filter((name) => name.startsWith('@asyncore/'));

/** A package and those of this workspace that it needs. */
function withDependencies(name) {
  const own = needed(parsed(root, 'packages', name, 'package.json'));
  return [...new Set([name, ...own.flatMap((other) => withDependencies(other.split('/')[1]))])];
}

const tarballs = {};
async function pack(name) {
  const folder = join(temp, 'packed', name);
  mkdirSync(folder, { recursive: true });
  await run(join(root, 'packages', name), 'pnpm', 'pack', '--pack-destination', folder);
  const [file] = readdirSync(folder);
  tarballs[name] = join(folder, file);
  await run(folder, 'tar', 'xzf', file);
}

/** What is in the tarball loads on every system that its name promises. */
function binaries() {
  const folder = join(temp, 'packed/socket/package');
  const files = readdirSync(join(folder, 'prebuilds'), { recursive: true })
    .filter((file) => file.endsWith('.node'))
    .map((file) => join('prebuilds', file));
  for (const one of ['+socket', '+wakeup']) {
    hold(
      files.some((file) => file.includes(one)),
      `no binary of ${one} is packed`,
    );
  }
  const wrong = files.map((file) => [file, unfit(join(folder, file))]).filter(([, why]) => why);
  hold(wrong.length === 0, wrong.map(([file, why]) => `${file}: ${why}`).join('\n'));
}

function contents(name) {
  const folder = join(temp, 'packed', name, 'package');
  const manifest = parsed(folder, 'package.json');
  const { scripts = {}, repository, publishConfig, keywords = [] } = manifest;
  const wanted = ['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts'];
  if (name === 'examples') wanted.push('simulated/echo_server.js');
  if (name === 'socket') {
    wanted.push(
      'binding.gyp',
      'native/binding.c',
      'native/wakeup.c',
      'native/napi.h',
      ...prebuilds,
    );
  }
  const absent = wanted.filter((file) => !existsSync(join(folder, file)));
  hold(absent.length === 0, `not in the tarball: ${absent}`);
  const hooks = Object.keys(scripts).filter((script) =>
    /^(pre|post)?(install|prepare)$/.test(script),
  );
  hold(hooks.length === 0, `runs when it is installed: ${hooks}`);
  // A binding.gyp has npm compile unless this says no.
  hold(name !== 'socket' || manifest.gypfile === false, 'gypfile must be false');
  hold(!JSON.stringify(manifest.dependencies ?? {}).includes('workspace:'), 'workspace: is left');
  hold(manifest.sideEffects === false, 'sideEffects must be false');
  hold(manifest.type === 'module', 'type must be module');
  hold(manifest.license === 'MIT', 'license must be MIT');
  hold(
    manifest.engines?.node === parsed(root, 'package.json').engines.node,
    'engines as the root has',
  );
  hold(manifest.description && keywords.length >= 4, 'a description, and four keywords');
  hold(repository?.directory === `packages/${name}`, 'repository.directory must be its folder');
  hold(repository.url === 'git+https://github.com/asyncore-node/asyncore.git', 'repository.url');
  hold(publishConfig?.provenance === true && publishConfig.access === 'public', 'publishConfig');
  const { types, default: main } = manifest.exports['.'];
  hold(types === './dist/index.d.ts' && main === './dist/index.js', 'exports must name dist/index');
}

function install(folder, ...specs) {
  return run(folder, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', ...specs);
}

/** An empty project in which the packages are installed. */
async function consumer(folder, packed) {
  mkdirSync(folder, { recursive: true });
  write(join(folder, 'package.json'), { name: 'consumer', private: true });
  const types = `@types/node@${parsed(root, 'package.json').devDependencies['@types/node']}`;
  await install(folder, types, ...packed.map((name) => tarballs[name]));
}

/** Type-checks and runs small programs: as modules, and as CommonJS, which requires. */
async function use(folder, used) {
  const files = (extension) => used.map((name) => `use_${name}.${extension}`);
  for (const name of used) {
    for (const extension of ['mts', 'cts']) {
      cpSync(join(consumers, `${name}.ts`), join(folder, `use_${name}.${extension}`));
    }
  }
  const tsc = (module, extension, ...args) =>
    run(folder, bin('tsc'), ...options, '--module', module, ...args, ...files(extension));
  const options = ['--strict', '--target', 'ES2023', '--types', 'node'];
  await tsc('node16', 'mts', '--moduleResolution', 'node16');
  await tsc('preserve', 'mts', '--moduleResolution', 'bundler', '--noEmit');
  // As node16, TypeScript does not know yet that Node lets CommonJS require a module.
  await tsc('nodenext', 'cts');
  for (const file of files('cjs')) {
    hold(readFileSync(join(folder, file), 'utf8').includes('require('), `${file} does not require`);
  }
  for (const file of [...files('mjs'), ...files('cjs')]) await run(folder, process.execPath, file);
}

async function alone(name) {
  const folder = join(temp, 'alone', name);
  await consumer(folder, withDependencies(name));
  await use(folder, [name]);
}

async function together() {
  const folder = join(temp, 'together');
  await consumer(folder, names);
  await use(folder, names);
}

/** A bundle runs where the packages are installed. Elsewhere one line says what to mark external. */
async function bundled() {
  const folder = join(temp, 'together');
  for (const format of ['es', 'cjs']) {
    const out = join(folder, `bundle_${format}`);
    const config = {
      logLevel: 'error',
      ssr: { noExternal: true },
      build: { ssr: 'use_core.mjs', outDir: out, rollupOptions: { output: { format } } },
    };
    writeFileSync(
      join(folder, 'vite.config.mjs'),
      `export default ${JSON.stringify({ ...config, configFile: false })};\n`,
    );
    await run(folder, bin('vite'), 'build');
    const [file] = readdirSync(out);
    const named = join(out, format === 'es' ? 'bundle.mjs' : 'bundle.cjs');
    cpSync(join(out, file), named);
    hold(!/from ?["']@asyncore/.test(readFileSync(named, 'utf8')), `${format}: not bundled`);
    await run(folder, process.execPath, named);
    const moved = join(temp, 'moved');
    cpSync(out, moved, { recursive: true });
    const message = await run(moved, process.execPath, join(moved, basename(named))).then(
      () => 'it runs',
      (error) => error.message,
    );
    hold(message.includes('mark @asyncore/socket as external'), `${format}, moved: ${message}`);
    rmSync(moved, { recursive: true });
  }
}

async function inVitest() {
  const folder = join(temp, 'together');
  const body = "test('runs', () => import('./use_testing.mjs'));\n";
  writeFileSync(join(folder, 'use.test.mjs'), body);
  rmSync(join(folder, 'vite.config.mjs'), { force: true });
  await run(folder, bin('vitest'), 'run', '--root', folder, '--globals', 'use.test.mjs');
}

/** As a new user does: npx lists, copies, and the copy installs, builds and passes its test. */
async function copied(name) {
  const folder = join(temp, 'copied', name);
  const command = join(temp, 'together/node_modules/.bin/asyncore-examples');
  hold(/^echo_server +An echo server/m.test(await run(temp, command)), 'it lists no echo server');
  await run(temp, command, 'copy', name, folder);
  // These versions are in no registry yet.
  await install(
    folder,
    '--no-save',
    ...[...withDependencies('examples'), 'testing'].map((other) => tarballs[other]),
  );
  await run(folder, 'npm', 'test');
}

/** A copy of the repository as it is, in which versions are raised. */
async function repository() {
  const folder = join(temp, 'versions');
  await run(root, 'git', 'clone', '--quiet', '--no-hardlinks', root, folder);
  for (const file of (
    await run(root, 'git', 'ls-files', '--cached', '--others', '--exclude-standard')
  )
    .split('\n')
    .filter(Boolean)) {
    if (existsSync(join(root, file))) cpSync(join(root, file), join(folder, file));
    else rmSync(join(folder, file), { force: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  await commit(folder);
  return folder;
}

async function commit(folder) {
  const who = ['-c', 'user.name=check', '-c', 'user.email=check@localhost'];
  await run(folder, 'git', 'add', '--all');
  await run(folder, 'git', ...who, 'commit', '--quiet', '--allow-empty', '--message=check');
}

const manifestsIn = (folder) =>
  Object.fromEntries(names.map((name) => [name, parsed(folder, 'packages', name, 'package.json')]));
const versionsIn = (folder) =>
  Object.fromEntries(
    Object.entries(manifestsIn(folder)).map(([name, { version }]) => [name, version]),
  );

const NOTE = 'Only a check.';

/** Raises the versions by a changeset of its own. Gives the manifests, and puts everything back. */
async function raised(folder, name, kind) {
  writeFileSync(
    join(folder, '.changeset/check.md'),
    `---\n'@asyncore/${name}': ${kind}\n---\n\n${NOTE}\n`,
  );
  await run(folder, process.execPath, 'scripts/version.mjs');
  const manifests = manifestsIn(folder);
  const file = join(folder, 'packages', name, 'CHANGELOG.md');
  hold(readFileSync(file, 'utf8').includes(NOTE), 'the note is not in CHANGELOG.md');
  await run(folder, 'git', 'checkout', '--quiet', '.');
  return manifests;
}

/** What is pending raises every package, and its CHANGELOG is one for readers. */
async function changesets(folder) {
  await run(folder, process.execPath, 'scripts/version.mjs');
  const before = versionsIn(folder);
  hold(!Object.values(before).includes('0.0.0'), `not raised: ${JSON.stringify(before)}`);
  for (const name of names) {
    const changelog = readFileSync(join(folder, 'packages', name, 'CHANGELOG.md'), 'utf8');
    const [title, , first] = changelog.split('\n');
    hold(title === `# @asyncore/${name}`, `${name}: it begins with ${title}`);
    hold(first === `## ${before[name]}`, `${name}: ${first} is not ${before[name]}`);
    hold(
      /^The first release/m.test(changelog),
      `${name}: it does not say which release is the first`,
    );
    const bare = /(?<!\[)\b[0-9a-f]{7}\b(?!\]|[0-9a-f])/.exec(changelog);
    hold(bare === null, `${name}: a bare hash, ${bare}`);
    hold(!changelog.includes('Updated dependencies'), `${name}: Updated dependencies`);
  }
  await run(folder, bin('biome'), 'ci', '--error-on-warnings', 'packages', 'scripts');
  await commit(folder);
}

/** A patch of one package changes that package alone. */
async function patch(folder) {
  const before = versionsIn(folder);
  const manifests = await raised(folder, 'chat', 'patch');
  const [, start, last] = /^(.*\.)(\d+)$/.exec(before.chat);
  const wanted = { ...before, chat: `${start}${Number(last) + 1}` };
  for (const name of names) {
    const { version } = manifests[name];
    hold(version === wanted[name], `${name} is ${version}, not ${wanted[name]}`);
  }
}

/** Who updates to a minor of core is led to versions of its dependents that take this core. */
async function minorOfCore(folder) {
  const manifests = await raised(folder, 'core', 'minor');
  for (const name of names.filter((other) => withDependencies(other).includes('core'))) {
    // Else `npm update` takes the new patch of this one, which brings a second core.
    const { version } = manifests[name];
    hold(
      version === manifests.core.version,
      `${name} is ${version}, core ${manifests.core.version}`,
    );
  }
}

/** Versions as changesets raise them, and what an update to them does to who uses the packages. */
async function checkVersions() {
  let folder;
  await check('versions: what is pending raises each, with a CHANGELOG for readers', async () => {
    const copy = await repository();
    await changesets(copy);
    folder = copy;
  });
  if (folder === undefined) return;
  await check('versions: a patch raises one package alone', () => patch(folder));
  await check('versions: a minor of core raises its dependents too', () => minorOfCore(folder));
  const updates = new Updates(temp, names, run, (name) => join(temp, 'packed', name, 'package'));
  try {
    await check('updates: a registry of its own', () =>
      updates.publish(manifestsIn(folder), (name, kind) => raised(folder, name, kind)),
    );
    for (const client of CLIENTS) {
      for (const [name, kind] of updates.states) {
        await check(`updates: a ${kind} of ${name}, by ${client}`, () =>
          updates.try(client, name, kind),
        );
      }
    }
  } finally {
    updates.close();
  }
}

/** The checks of one tarball, and of a project with it. */
async function checkPackage(name) {
  await check(`${name}: what the tarball holds, package.json`, () => contents(name));
  if (name === 'socket') await check('socket: the binaries in the tarball', binaries);
  await check(`${name}: publint`, () =>
    run(temp, bin('publint'), 'run', '--strict', tarballs[name]),
  );
  // What it would warn of, CommonJS that requires a module, Node does from 20.19 on.
  const rules = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm'];
  await check(`${name}: are the types wrong`, () =>
    run(temp, bin('attw'), tarballs[name], ...rules),
  );
  await check(`${name}: alone, import and require, node16 and bundler`, () => alone(name));
}

async function checkTogether() {
  await check('all together, import and require, node16 and bundler', together);
  await check('all together, bundled by vite, ESM and CommonJS', bundled);
  await check('all together, in vitest', inVitest);
  for (const name of ['echo_server', 'redis_server']) {
    await check(`${name}: npx, copy, install, test`, () => copied(name));
  }
}

let prebuilds = [];
try {
  await check('the binaries of this machine', async () => {
    const script = join(root, 'packages/socket/scripts/prebuild.mjs');
    const files = (await run(root, process.execPath, script)).trim().split('\n');
    prebuilds = files.map((file) => file.slice(file.indexOf('prebuilds/')));
    hold(prebuilds.length === 2, `not two: ${files}`);
  });
  await Promise.all(names.map((name) => check(`${name}: pnpm pack`, () => pack(name))));
  // Two processes at a time or so: more make nothing faster.
  const work = Object.entries({
    together: checkTogether,
    versions: checkVersions,
    ...Object.fromEntries(names.map((name) => [name, () => checkPackage(name)])),
  }).flatMap(([part, body]) => (only === undefined || only === part ? [body] : []));
  const workers = Array.from({ length: Math.max(2, availableParallelism()) }, async () => {
    for (let next = work.shift(); next; next = work.shift()) await next();
  });
  await Promise.all(workers);
} finally {
  rmSync(temp, { recursive: true, force: true });
}
console.log(
  `${passed} passed, ${failed.length} failed${failed.map((title) => `\n  ${title}`).join('')}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
