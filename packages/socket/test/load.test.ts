import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from './support.js';

it('on Windows the import throws one clear error', () => {
  const { status, stdout } = run(`
    Object.defineProperty(process, 'platform', { value: 'win32' });
    await import('@asyncore/socket').catch((error) => console.log(String(error)));`);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Error: @asyncore\/socket does not run on Windows: .* Linux or macOS/);
  expect(stdout.split('\n')).toHaveLength(1);
});

const binaries = ['socket', 'wakeup'].map((name) => `build/Release/asyncore_${name}.node`);

describe('a copy of this package', () => {
  const root = dirname(import.meta.dirname);
  let copy: string;
  const at = (path: string) => join(copy, path);
  const imported = (before = '') =>
    run(`${before}; await import('${pathToFileURL(at('dist/index.js'))}').then(
      ({ AF_INET }) => console.log(AF_INET), (error) => console.log(String(error)));`).stdout;
  const changeSource = () => appendFileSync(at('native/socket.c'), '/* spam */');

  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), 'asyncore'));
    const parts = ['dist', 'native', 'scripts', 'binding.gyp', ...binaries];
    for (const path of [...parts, 'node_modules/node-gyp-build']) {
      cpSync(join(root, path), at(path), { recursive: true, dereference: true });
    }
    // Under another name no variable decides which binary is taken.
    const description = readFileSync(join(root, 'package.json'), 'utf8');
    writeFileSync(at('package.json'), description.replace('@asyncore/socket', 'copy'));
  });
  afterEach(() => rmSync(copy, { recursive: true }));

  it('is loaded while its binary is made of its C sources', () => {
    expect(imported()).toBe('2');
    changeSource();
    expect(imported()).toBe(
      `Error: The binary of @asyncore/socket is not made of the C sources in ${copy}/: npm run setup`,
    );
  });

  it('loads the binary that needs libuv when something first waits', () => {
    const loaded = () =>
      run(`const socket = await import('${pathToFileURL(at('dist/index.js'))}');
        const objects = () => process.report.getReport().sharedObjects;
        process.report.excludeNetwork = true;
        const has = (name) => objects().some((path) => path.endsWith(name));
        console.log(has('asyncore_socket.node'), has('asyncore_wakeup.node'));
        const queue = process.platform === 'linux' ? new socket.epoll() : new socket.kqueue();
        socket.new_wakeup(queue.fileno(), () => {}, () => {}).close();
        console.log(has('asyncore_wakeup.node'));`).stdout;
    expect(loaded()).toBe('true false\ntrue');
    rmSync(at(binaries[1]));
    expect(loaded()).toBe('true false'); // sockets need it not
  });

  it('finds both binaries where they are packed', () => {
    const packed = spawnSync(process.execPath, [at('scripts/prebuild.mjs')], { encoding: 'utf8' });
    expect(packed.stdout.trim().split('\n')).toHaveLength(2);
    rmSync(at('build'), { recursive: true });
    expect(
      run(`const { epoll, kqueue, new_wakeup } = await import('${pathToFileURL(at('dist/index.js'))}');
        const queue = process.platform === 'linux' ? new epoll() : new kqueue();
        new_wakeup(queue.fileno(), () => {}, () => {}).close();
        console.log('both');`).stdout,
    ).toBe('both');
  });

  it('says why the system refuses its binary', () => {
    writeFileSync(at('build/Release/asyncore_socket.node'), 'spam');
    expect(imported()).toMatch(
      /^Error: @asyncore\/socket could not load its binary: .*asyncore_socket\.node: /,
    );
  });

  it('says what kept it from looking for its binary', () => {
    const scarce = `
      import fs from 'node:fs';
      import { syncBuiltinESMExports } from 'node:module';
      fs.readdirSync = () => { throw new Error('EMFILE: too many open files, scandir'); };
      syncBuiltinESMExports();`;
    expect(imported(scarce)).toBe(
      'Error: @asyncore/socket could not load its binary: EMFILE: too many open files, scandir',
    );
  });

  describe('bundled, so that its code is elsewhere', () => {
    let app: string;
    beforeEach(() => {
      app = mkdtempSync(join(tmpdir(), 'asyncore-app'));
      cpSync(at('dist'), join(app, 'out/bundle'), { recursive: true });
    });
    afterEach(() => rmSync(app, { recursive: true }));
    const bundle = () => pathToFileURL(join(app, 'out/bundle/index.js'));
    const outcome = () => {
      const program = `await import('${bundle()}').then(({ AF_INET }) => console.log(AF_INET),
        (error) => console.log(String(error)));`;
      const { NODE_PATH, ...env } = process.env; // pnpm's, which leads to this package
      const args = ['--input-type=module', '-e', program];
      const { stdout } = spawnSync(process.execPath, args, { cwd: app, env, encoding: 'utf8' });
      return stdout.trim();
    };
    const install = () => {
      mkdirSync(join(app, 'node_modules/@asyncore'), { recursive: true });
      symlinkSync(root, join(app, 'node_modules/@asyncore/socket'));
    };

    it('takes the binary of the package that is installed there', () => {
      install();
      expect(outcome()).toBe('2');
    });

    it('does so in CommonJS too, where import.meta has no url', () => {
      install();
      const file = join(app, 'out/bundle/binary.js');
      const code = readFileSync(file, 'utf8');
      expect(code).toContain('import.meta');
      writeFileSync(file, code.replaceAll('import.meta', '({})'));
      expect(outcome()).toBe('2');
    });

    it('says what to mark as external, where it is not', () => {
      expect(outcome()).toBe(
        `Error: @asyncore/socket is bundled in ${join(realpathSync(app), 'out/bundle/binary.js')}, without its binary: ` +
          'mark @asyncore/socket as external, and install it where the bundle runs. See docs/troubleshooting.md',
      );
    });
  });

  it('packs the binaries that are there, not what was compiled since', () => {
    const pack = (...args: string[]) =>
      spawnSync(process.execPath, [at('scripts/prebuild.mjs'), ...args], { encoding: 'utf8' });
    const packed = pack().stdout.trim().split('\n');
    const checked = packed.map((path) => readFileSync(path));
    for (const path of binaries) appendFileSync(at(path), 'compiled on another system');
    expect(pack('--keep').stdout.trim().split('\n')).toEqual(packed);
    expect(packed.map((path) => readFileSync(path))).toEqual(checked);
    changeSource();
    expect(pack('--keep').status).toBe(1);
  });

  it('is packed while its binary is made of its C sources', () => {
    const pack = () => spawnSync(process.execPath, [at('scripts/prebuild.mjs')]).status;
    expect(pack()).toBe(0);
    changeSource();
    expect(pack()).toBe(1);
  });

  describe('as it is published', () => {
    beforeEach(() => rmSync(at('scripts/digest.cjs')));

    it('is loaded without that check', () => {
      changeSource();
      expect(imported()).toBe('2');
    });

    it('without a binary for this system says how to make one', () => {
      rmSync(at('build'), { recursive: true });
      expect(imported()).toBe(
        `Error: @asyncore/socket has no binary for this ${process.platform} ${process.arch}: ` +
          `npx node-gyp rebuild --directory="${copy}/"`,
      );
    });
  });
});
