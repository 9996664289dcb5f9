import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** A line that must not pass, by the file it is planted in. */
const planted: Record<string, string> = {
  'socket/src/planted.ts': "export * from '@asyncore/core';",
  'socket/src/planted_libuv.ts': "export * from './wakeup/libuv.js';",
  'core/src/planted.ts': "export * from '@asyncore/chat';",
  'core/src/planted_tests.ts': "export * from '@asyncore/test-support/stage';",
  'core/src/planted_source.ts': "export * from '../../socket/src/socket.js';",
  'core/src/planted_inside.ts': "export * from '@asyncore/socket/dist/socket.js';",
  'core/src/loop/planted.ts': "export * from '../dispatcher/dispatcher.js';",
  'core/src/handlers/planted.ts': "export * from '../dispatcher/dispatcher.js';",
  'core/src/output/planted.ts': "export * from '../loop/loop.js';",
  'chat/src/planted.ts': "export * from '@asyncore/socket';",
  'chat/src/planted_type.ts': "export type { Socket } from '@asyncore/socket';",
  'chat/src/planted_late.ts': "export const late = import('@asyncore/socket');",
  'file/src/planted.ts': "export * from '@asyncore/chat';",
  'tls/src/planted.ts': "export * from '@asyncore/stream';",
  'stream/src/planted.ts': "export * from '@asyncore/tls';",
  'testing/src/planted.ts': "export * from '@asyncore/chat';",
  'examples/src/planted.ts': "export * from '@asyncore/testing';",
};

/** Two files of which each needs the other, and two of which one needs only types of the other. */
const circle: Record<string, string> = {
  'core/src/circle_a.ts': "import { b } from './circle_b.js';\nexport const a = () => b;",
  'core/src/circle_b.ts': "import { a } from './circle_a.js';\nexport const b = () => a;",
};
const circleOfTypes: Record<string, string> = {
  'core/src/types_a.ts':
    "import { b } from './types_b.js';\nexport type A = 1;\nexport const a = b;",
  'core/src/types_b.ts': "import type { A } from './types_a.js';\nexport const b: A = 1;",
};

let folder: string;
/** What was found wrong, by file. */
const found = new Map<string, string[]>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'asyncore-layers-'));
  for (const path of ['biome.json', 'layers.json', 'scripts/lint']) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  for (const name of readdirSync(join(root, 'packages'))) {
    const source = join('packages', name, 'src');
    cpSync(join(root, source), join(folder, source), { recursive: true });
  }
  for (const [file, line] of Object.entries({ ...planted, ...circle, ...circleOfTypes })) {
    const path = join(folder, 'packages', file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${line}\n`);
  }
  const biome = join(root, 'node_modules/.bin/biome');
  const rules = ['--only=suspicious/noImportCycles', '--only=style/noRestrictedImports'];
  const { stdout } = spawnSync(
    biome,
    ['lint', '--vcs-enabled=false', '--reporter=json', '--max-diagnostics=none', ...rules],
    { cwd: folder, encoding: 'utf8' },
  );
  for (const { category, location } of JSON.parse(stdout).diagnostics) {
    const file = String(location.path).replace('packages/', '');
    found.set(file, [...(found.get(file) ?? []), category]);
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

it.each(Object.keys(planted))('refuses what %s imports', (file) => {
  expect(found.get(file)).toEqual(['lint/style/noRestrictedImports']);
});

it.each(Object.keys(circle))('refuses a circle of imports: %s', (file) => {
  expect(found.get(file)).toEqual(['lint/suspicious/noImportCycles']);
});

it('finds nothing else wrong, and takes a circle of types for none', () => {
  const files = [...Object.keys(planted), ...Object.keys(circle)];
  expect([...found.keys()].sort()).toEqual(files.sort());
});
