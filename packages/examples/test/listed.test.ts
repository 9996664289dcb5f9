/** What a new example also needs, elsewhere than in its own file: CONTRIBUTING.md, "An example". */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { names } from './example.js';
import { SERVERS } from './fuzz_servers.js';

const text = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const source = (name: string) => text(`../src/${name}.ts`);

/** Those that take bytes from anybody: the fuzz, the security page and the package's exports know them. */
const listening = names.filter(
  // Both ends of its sockets are its own.
  (name) =>
    name !== 'bare_sockets' &&
    /(\.create_server|\.listen|\.bind|stream_server)\(/.test(source(name)),
);

it.each(names)('%s begins with what it is', (name) => {
  expect(source(name)).toMatch(/^\/\*\*(\n \*)? [A-Z]/);
});

it.each(names)('%s has a test of its own name', (name) => {
  expect(existsSync(new URL(`${name}.test.ts`, import.meta.url))).toBe(true);
});

it('each example has a row in packages/examples/README.md, in alphabetical order', () => {
  const rows = [...text('../README.md').matchAll(/^\| \[`(\w+)`\]\(src\/\1\.ts\) \| /gm)];
  expect(rows.map(([, name]) => name)).toEqual(names.sort());
});

it('each example that listens is fuzzed: test/fuzz_servers.ts', () => {
  // Its datagrams come to a group: multicast_discovery.test.ts sends it random ones.
  const elsewhere = ['multicast_discovery'];
  expect(Object.keys(SERVERS).concat(elsewhere).sort()).toEqual(listening.sort());
});

it('each example that listens has a heading, or a row of "The others", in docs/security.md', () => {
  const page = text('../../../docs/security.md');
  const headings = [...page.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
  const rows = [...page.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell);
  const others = rows.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  expect(listening.filter((name) => ![...headings, ...others].includes(name))).toEqual([]);
});

it('each example that listens and has classes to use is exported: src/index.ts', () => {
  const index = text('../src/index.ts');
  const withClasses = listening.filter((name) => /^export class /m.test(source(name)));
  expect(withClasses.filter((name) => !index.includes(`'./${name}.js'`))).toEqual([]);
});
