import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('finds in the documentation the files that it shows, as they are', () => {
  const script = fileURLToPath(new URL('../../../scripts/snippets.mjs', import.meta.url));
  const { stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  expect(stderr).toBe('');
});
