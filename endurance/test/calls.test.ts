import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CALLS, isLeftAlone } from '../sweep/calls.mjs';
import { IMPOSSIBLE } from '../sweep/impossible.mjs';
import { outcomesOf } from '../sweep/outcome.mjs';
import { OUTCOMES } from '../sweep/outcomes.mjs';
import { compileShim, missing } from '../sweep/shim.mjs';

const socket = join(import.meta.dirname, '../../packages/socket');

/** Compiled here, and those that came with a release. */
function binaries(): string[] {
  const folders = [join(socket, 'build/Release'), join(socket, 'prebuilds')].filter(existsSync);
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.node') && !name.includes('obj.target'))
      .filter((name) => !name.includes('-') || name.startsWith(`linux-${process.arch}/`))
      .map((name) => join(folder, name)),
  );
}

function symbols(file: string, kind: '--undefined-only' | '--defined-only'): string[] {
  const lines = execFileSync('nm', ['-D', kind, file], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => line.trim().split(/\s+/).at(-1)?.split('@')[0] ?? '');
}

const lacking = missing();
const hint = lacking ? ` (${lacking})` : '';

describe.skipIf(lacking !== null)(`what the shim wraps${hint}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore-shim-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const wrapped = lacking ? [] : symbols(compileShim(folder), '--defined-only');

  it.each(binaries().map((file) => [basename(file), file]))('is all that %s imports', (_, file) => {
    const imported = symbols(file, '--undefined-only');
    expect(imported.filter((name) => !wrapped.includes(name) && !isLeftAlone(name))).toEqual([]);
  });

  it('is imported by one of the binaries', () => {
    const imported = binaries().flatMap((file) => symbols(file, '--undefined-only'));
    expect(imported).not.toEqual([]);
    expect(wrapped.filter((name) => name !== 'dlopen' && !imported.includes(name))).toEqual([]);
  });
});

describe('the outcomes', () => {
  it.each(CALLS.filter((name) => name !== 'unknown'))('of %s are in the table', (call) => {
    expect(outcomesOf(call, false)).not.toEqual([]);
  });

  it('are of calls that the shim knows', () => {
    expect(Object.keys(OUTCOMES).filter((call) => !CALLS.includes(call))).toEqual([]);
  });

  it('are not called impossible', () => {
    const possible = new Set(
      CALLS.filter((name) => name !== 'unknown').flatMap((call) =>
        [true, false].flatMap((stubborn) =>
          outcomesOf(call, stubborn).map(({ title }) => `${call} ${title}`),
        ),
      ),
    );
    for (const { calls, outcomes, reason } of IMPOSSIBLE) {
      expect(reason).not.toBe('');
      const named = calls.flatMap((call) => outcomes.map((outcome) => `${call} ${outcome}`));
      expect(named.filter((name) => possible.has(name))).toEqual([]);
    }
  });
});
