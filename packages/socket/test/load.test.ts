import { expect, it } from 'vitest';
import { run } from './support.js';

it('on Windows the import throws one clear error', () => {
  const { status, stdout } = run(`
    Object.defineProperty(process, 'platform', { value: 'win32' });
    await import('@asyncore/socket').catch((error) => console.log(String(error)));`);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Error: @asyncore\/socket does not run on Windows: .* Linux or macOS/);
  expect(stdout.split('\n')).toHaveLength(1);
});
