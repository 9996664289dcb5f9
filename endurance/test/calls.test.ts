import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
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

it.each(['tls', 'stream'])('%s makes no system call of its own', (name) => {
  const folder = join(socket, '..', name);
  const files = readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' });
  const sources = files.filter((file) => file.endsWith('.ts'));
  expect(sources).not.toEqual([]);
  const callers = sources.filter((file) =>
    /\bbinding\b/.test(readFileSync(join(folder, 'src', file), 'utf8')),
  );
  expect([callers, existsSync(join(folder, 'native'))]).toEqual([[], false]);
});

const PAGES = '/usr/share/man/man2';
/** What the pages name that is no error of its own, or that a program cannot get. */
const NO_OUTCOME = ['ERRORS', 'EWOULDBLOCK', 'EPOLLEXCLUSIVE'];

/** The errors that a page of section 2 names. */
function errorsOf(page: string): string[] {
  const text = gunzipSync(readFileSync(join(PAGES, `${page}.2.gz`))).toString();
  const [, other] = /^\.so man2\/(\w+)\.2/.exec(text) ?? [];
  if (other) return errorsOf(other);
  const [, section = ''] = /^\.SH ERRORS$(.*?)^\.SH/ms.exec(text) ?? [];
  const names = section.match(/\bE[A-Z0-9]{3,}\b/g) ?? [];
  return [...new Set(names)].filter((name) => !NO_OUTCOME.includes(name));
}

describe('the outcomes', () => {
  const hasPages = existsSync(join(PAGES, 'accept.2.gz'));
  const named = Object.entries(OUTCOMES).filter(([, { manual }]) => /^\w+\(2\)/.test(manual));

  it.skipIf(!hasPages).each(named)(
    'of %s are all that its manual page names (apt install manpages-dev)',
    (call, { manual, ...rest }) => {
      const { repeated: _, ...kinds } = { repeated: {}, ...rest };
      const possible = Object.values(kinds).flatMap((outcomes) => Object.keys(outcomes));
      const impossible = IMPOSSIBLE.filter(
        ({ calls }) => calls.includes(call) || calls.includes('every call'),
      ).flatMap(({ outcomes }) => outcomes);
      const known = [...possible.map((name) => name.split(':')[0]), ...impossible];
      const errors = errorsOf(manual.slice(0, manual.indexOf('(')));
      expect(errors).not.toEqual([]);
      expect(errors.filter((name) => !known.includes(name))).toEqual([]);
    },
  );

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
