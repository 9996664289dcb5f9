/**
 * What an update does to who uses these packages: a project set up as chat's README says, which then updates, or
 * installs the newest of one package, after a patch, a minor or a major of one of them. By npm, pnpm and yarn,
 * from a registry of its own. Whatever comes of it, the program has one core, or is told in one line of two.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Registry } from './registry.mjs';

/** Those whose updates are tried: one that all need, one between, and one that nothing here needs. */
const RAISED = ['socket', 'core', 'chat'];
export const KINDS = ['patch', 'minor', 'major'];
const USED = ['@asyncore/chat', '@asyncore/core', '@asyncore/socket'];
const YARN = 'yarn@1.22.22';

/** A server and its client, one made of chat and one of core. */
const PROGRAM = `import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
class Line extends async_chat {
  constructor(sock) { super(sock); this.set_terminator('\\n'); }
  collect_incoming_data(data) { this._collect_incoming_data(data); }
  found_terminator() { console.log(String(this._get_data())); this.close(); server.close(); }
  handle_connect() { this.push(Buffer.from('served\\n')); }
}
class Server extends dispatcher {
  handle_accepted(sock) { new Line(sock); }
}
const server = new Server();
server.create_socket();
server.bind(['127.0.0.1', 0]);
server.listen();
const client = new Line();
client.create_socket();
client.log_info = () => {};
client.connect(server.getsockname());
const ends = setTimeout(() => process.exit(), 2000);
await loop();
clearTimeout(ends);
`;

const root = dirname(import.meta.dirname);
const parsed = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'));
const write = (file, value) => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);

export class Updates {
  #registry = new Registry();
  #projects = {};

  /** `run(cwd, command, ...args)` runs a program; `packed(name)` is the folder of an unpacked tarball. */
  constructor(temp, names, run, packed) {
    this.temp = temp;
    this.names = names;
    this.run = run;
    this.packed = packed;
  }

  /**
   * Publishes what there is as `before`, and what `raise(name, kind)` makes of its versions after it. It gives
   * the manifests of the workspace by name, as changesets have left them.
   */
  async publish(before, raise) {
    await this.#fetchYarn();
    await this.#registry.listen();
    this.before = before;
    for (const name of RAISED) {
      for (const kind of KINDS) {
        const state = `${name}-${kind}`;
        await this.#publishAll(state, before);
        await this.#publishAll(state, await raise(name, kind));
        await this.#publishOthers(state);
      }
    }
    await this.#publishAll('before', before);
    await this.#publishOthers('before');
  }

  close() {
    this.#registry.close();
  }

  /** A tarball of a package in each of these versions. */
  async #publishAll(state, manifests) {
    for (const name of this.names) {
      const { version, dependencies = {} } = manifests[name];
      const manifest = { ...parsed(this.packed(name), 'package.json'), version };
      manifest.dependencies = Object.fromEntries(
        Object.entries(dependencies).map(([other, range]) => {
          const isOurs = range.startsWith('workspace:');
          return [other, isOurs ? `^${manifests[other.split('/')[1]].version}` : range];
        }),
      );
      const file = join(this.temp, 'published', `${name}-${version}-${digest(manifest)}.tgz`);
      if (!existsSync(file)) {
        const folder = file.replace(/\.tgz$/, '');
        mkdirSync(folder, { recursive: true });
        cpSync(this.packed(name), join(folder, 'package'), { recursive: true });
        write(join(folder, 'package/package.json'), manifest);
        await this.run(folder, 'tar', 'czf', file, 'package');
      }
      this.#registry.publish(state, manifest, file);
    }
  }

  /** What the packages need of others. */
  async #publishOthers(state) {
    const folder = realpathSync(join(root, 'packages/socket/node_modules/node-gyp-build'));
    const file = join(this.temp, 'published/node-gyp-build.tgz');
    if (!existsSync(file)) {
      const parent = join(this.temp, 'published/node-gyp-build');
      mkdirSync(parent, { recursive: true });
      cpSync(folder, join(parent, 'package'), { recursive: true });
      await this.run(parent, 'tar', 'czf', file, 'package');
    }
    this.#registry.publish(state, parsed(folder, 'package.json'), file);
  }

  /** The states that there are. */
  get states() {
    return RAISED.flatMap((name) => KINDS.map((kind) => [name, kind]));
  }

  /** Tries one: throws when the program has two cores in silence, or is not served. */
  async try(client, name, kind) {
    const { install, update } = clients[client];
    const ways = { update, newest: install([`@asyncore/${name}@latest`]) };
    for (const [way, command] of Object.entries(ways)) {
      const folder = join(this.temp, 'updates', `${client}-${name}-${kind}-${way}`);
      cpSync(await this.#project(client), folder, { recursive: true, verbatimSymlinks: true });
      await this.#client(folder, `${name}-${kind}`, command);
      const said = await this.#run(folder, process.execPath, 'program.mjs');
      const isServed = said === 'served\n';
      const isTold = /^[^\n]*two copies of @asyncore\/core are loaded[^\n]*\n/m.test(said);
      if (!isServed && !isTold) throw new Error(`${client}, ${way}: it said ${said || 'nothing'}`);
      if (way === 'update' && !isServed) throw new Error(`${client}: an update brings two cores`);
    }
  }

  /** The folder of a project before any update. */
  #project(client) {
    const make = async () => {
      const folder = join(this.temp, 'updates', client);
      mkdirSync(folder, { recursive: true });
      write(join(folder, 'package.json'), { name: 'program', private: true, type: 'module' });
      writeFileSync(join(folder, 'program.mjs'), PROGRAM);
      await this.#client(folder, 'before', clients[client].install(USED));
      return folder;
    };
    this.#projects[client] ??= make();
    return this.#projects[client];
  }

  async #client(folder, state, [command, ...args]) {
    const registry = this.#registry.address(state);
    writeFileSync(join(folder, '.npmrc'), `registry=${registry}\n`);
    writeFileSync(join(folder, '.yarnrc'), `registry "${registry}"\n`);
    await this.#run(folder, command, ...args);
  }

  /** All that it prints. What the environment says of registries would count more than the project's settings. */
  async #run(cwd, command, ...args) {
    const env = Object.entries(process.env).filter(([key]) => !/^npm_/i.test(key));
    try {
      const { stdout, stderr } = await promisify(execFile)(command, args, {
        cwd,
        timeout: 300_000,
        env: { ...Object.fromEntries(env), NO_COLOR: '1', NO_UPDATE_NOTIFIER: '1' },
      });
      return stderr + stdout;
    } catch ({ message, stdout, stderr }) {
      throw new Error(`${message}\n${stdout}${stderr}`);
    }
  }

  /** yarn is not among what the repository needs. */
  async #fetchYarn() {
    const folder = join(this.temp, 'yarn');
    mkdirSync(folder, { recursive: true });
    write(join(folder, 'package.json'), { private: true });
    await this.run(folder, 'npm', 'install', '--no-audit', '--no-fund', YARN);
    const yarn = join(folder, 'node_modules/yarn/bin/yarn.js');
    clients.yarn = {
      install: (names) => [process.execPath, yarn, 'add', '--no-progress', ...names],
      update: [process.execPath, yarn, 'upgrade', '--no-progress'],
    };
  }
}

function digest({ dependencies }) {
  return Buffer.from(JSON.stringify(dependencies)).toString('base64url').slice(-12);
}

/** How each is called; the answers of one registry are none of another's. */
const npm = ['npm', '--no-audit', '--no-fund', '--prefer-online'];
const clients = {
  npm: { install: (names) => [...npm, 'install', ...names], update: [...npm, 'update'] },
  pnpm: {
    install: (names) => ['pnpm', 'add', '--ignore-workspace', ...names],
    update: ['pnpm', 'update', '--ignore-workspace'],
  },
};
export const CLIENTS = ['npm', 'pnpm', 'yarn'];
