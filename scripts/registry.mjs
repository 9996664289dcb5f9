/**
 * A registry of npm packages on this machine, with just what npm, pnpm and yarn ask for when they install and
 * update. The same tarballs may be published in several states of it, each under an address of its own.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename } from 'node:path';

export class Registry {
  /** By state, by package, by version: the manifest with `dist`. */
  #states = new Map();
  /** By file name. */
  #tarballs = new Map();
  #server = createServer((request, response) => this.#answer(request, response));

  async listen() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #address() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** What to set as `registry`. */
  address(state) {
    return `${this.#address()}/${state}/`;
  }

  /** Publishes a tarball, whose package.json is `manifest`, in `state`. */
  publish(state, manifest, tarball) {
    const data = readFileSync(tarball);
    const file = basename(tarball);
    this.#tarballs.set(file, data);
    const dist = {
      tarball: `${this.#address()}/tarballs/${file}`,
      shasum: createHash('sha1').update(data).digest('hex'),
      integrity: `sha512-${createHash('sha512').update(data).digest('base64')}`,
    };
    const packages = this.#states.get(state) ?? new Map();
    this.#states.set(state, packages);
    const versions = packages.get(manifest.name) ?? {};
    packages.set(manifest.name, versions);
    versions[manifest.version] = { ...manifest, dist };
  }

  #answer({ url = '' }, response) {
    const [, state, ...rest] = decodeURIComponent(url).split('/');
    if (state === 'tarballs') return this.#end(response, this.#tarballs.get(rest.join('/')));
    const versions = this.#states.get(state)?.get(rest.join('/'));
    if (versions === undefined) return this.#end(response, undefined);
    const [name] = Object.values(versions).map((one) => one.name);
    // The last one published is the newest.
    const latest = Object.keys(versions).at(-1);
    const time = Object.fromEntries(
      [...Object.keys(versions), 'created', 'modified'].map((key) => [key, '2020-01-01T00:00:00Z']),
    );
    const document = { name, 'dist-tags': { latest }, versions, time };
    this.#end(response, JSON.stringify(document), 'application/json');
  }

  #end(response, body, type = 'application/octet-stream') {
    if (body === undefined) response.statusCode = 404;
    response.setHeader('Content-Type', type);
    response.end(body ?? '{}');
  }
}
