import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const packages = readdirSync(join(root, 'packages')).map((name) => `packages/${name}`);
const built = ['bench', 'endurance', ...packages];
const tests = ['scripts', ...built].map((folder) => `${folder}/test`);

function references(file: string): string[] {
  const { references } = JSON.parse(readFileSync(join(root, file), 'utf8'));
  return references.map(({ path }: { path: string }) => path).sort();
}

it.each([
  ['tsconfig.build.json', built, []],
  ['tsconfig.json', tests, ['./tsconfig.build.json']],
])('%s names everything that is compiled', (file, folders, besides) => {
  const projects = folders.filter((folder) => existsSync(join(root, folder, 'tsconfig.json')));
  expect(references(file)).toEqual([...besides, ...projects].sort());
});
