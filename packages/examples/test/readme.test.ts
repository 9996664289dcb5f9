import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

/** What a script says against the documentation. */
function objections(name: string): string {
  const script = fileURLToPath(new URL(`../../../scripts/${name}`, import.meta.url));
  return spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' }).stderr;
}

it('finds in the documentation the files that it shows, as they are', () => {
  expect(objections('snippets.mjs')).toBe('');
});

it('finds the files and headings that the documentation links to', () => {
  expect(objections('links.mjs')).toBe('');
});

it('finds the tests that prove what docs/reliability.md and security.md say', () => {
  expect(objections('promises.mjs')).toBe('');
});
