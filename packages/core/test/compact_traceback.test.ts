import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compact_traceback, dispatcher } from '@asyncore/core';
import { socketpair } from '@asyncore/socket';
import { afterAll, expect, it } from 'vitest';
import { onEveryPoller, own, Stage } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
afterAll(() => rmSync(folder, { recursive: true }));

/** An error whose stack is what `stack` gives. */
function withStack(stack: unknown, error: Error = new Error('spam')): Error {
  return Object.defineProperty(error, 'stack', { value: stack });
}

it.each([' (', ':1', ' (:1', ' ', 'at ', '\n', '\nat :1:1', '(', ')', 'x:1:1)'])(
  'a message of a megabyte of %j costs milliseconds',
  (unit) => {
    const message = `\nat ${unit.repeat(1_000_000 / unit.length)}x`;
    const started = performance.now();
    compact_traceback(new Error(message));
    const error = new Error(message);
    error.message = 'which the stack does not know';
    compact_traceback(error);
    expect(performance.now() - started).toBeLessThan(5000); // minutes, if it is not linear
  },
);

it('the message is no part of the traceback, whatever it looks like', () => {
  const line = '\n    at evil (file:///etc/passwd:1:2)';
  for (const error of [new Error(line), new TypeError(`spam${line}`), withName('', line)]) {
    expect(compact_traceback(error)[3]).not.toContain('evil');
    expect(compact_traceback(error)[3]).toContain('compact_traceback.test.ts');
  }
});

function withName(name: string, message: string): Error {
  class Named extends Error {}
  Named.prototype.name = name;
  return new Named(message);
}

it.each([
  ['    at spam (/x/a.js:8:9)', ['/x/a.js', 'spam', '8']],
  ['    at /x/a.js:8:9', ['/x/a.js', '?', '8']],
  ['    at async file:///x/a.js:8:9', ['/x/a.js', '?', '8']],
  ['    at async Spam.eggs (file:///x/a.js:8:9)', ['/x/a.js', 'Spam.eggs', '8']],
  ['    at new Spam (/x/a (b)/c.js:8:9)', ['/x/a (b)/c.js', 'new Spam', '8']],
  ['    at /x/a (b)/c.js:8:9', ['/x/a (b)/c.js', '?', '8']],
  ['    at spam [as eggs] (/x/a.js:8:9)', ['/x/a.js', 'spam [as eggs]', '8']],
  ['    at f (file:///x/with%20space/%C3%A4.js:8:9)', ['/x/with space/ä.js', 'f', '8']],
  ['    at f (file:///x/%2f%zz.js:8:9)', ['file:///x/%2f%zz.js', 'f', '8']],
  ['    at f (C:\\x\\a.js:8:9)', ['C:\\x\\a.js', 'f', '8']],
])('the frame of %j', (line, frame) => {
  expect(compact_traceback(withStack(`Error: spam\n${line}`))[0]).toEqual(frame);
});

it.each([
  '    at Array.map (<anonymous>)',
  '    at async Promise.all (index 0)',
  '    at spam (node:internal/main:8:9)',
  '    at node:internal/main:8:9',
  '    at :8:9',
  '    at /x/a.js:8',
  '    at /x/a.js:8:9x',
  '    at /x/a.js:8:',
  '    at ',
  '    att /x/a.js:8:9',
])('%j is no frame', (line) => {
  expect(compact_traceback(withStack(`Error: spam\n${line}`))[3]).toBe('');
});

it('the path of a module is the path of its file, with spaces and letters beyond ASCII too', async () => {
  const place = join(folder, 'mein Projekt', 'größer (2)');
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'fails.mjs'), 'export function fail() { throw new Error("spam"); }\n');
  const { fail } = await import(/* @vite-ignore */ pathToFileURL(join(place, 'fails.mjs')).href);
  try {
    fail();
  } catch (error) {
    expect(compact_traceback(error)[0]).toEqual([join(place, 'fails.mjs'), 'fail', '1']);
  }
});

const thrower = {
  get(): never {
    throw new Error('not told');
  },
  getPrototypeOf(): never {
    throw new Error('not told');
  },
};
const revoked = Proxy.revocable({}, {});
revoked.revoke();

const oddErrors: [string, () => unknown][] = [
  ['its stack is an array', () => withStack([{}, {}])],
  ['its stack is a symbol', () => withStack(Symbol('spam'))],
  ['its stack is missing', () => withStack(undefined)],
  ['its stack is null', () => withStack(null)],
  ['its stack is empty', () => withStack('')],
  ['its stack throws', () => Object.defineProperty(new Error('spam'), 'stack', thrower)],
  ['its message throws', () => Object.defineProperty(new Error('spam'), 'message', thrower)],
  ['its message is no text', () => Object.assign(new Error(), { message: { spam: 1 } })],
  ['its constructor throws', () => Object.defineProperty({}, 'constructor', thrower)],
  ['it has no prototype', () => Object.create(null)],
  ['it is undefined', () => undefined],
  ['it is a symbol', () => Symbol('spam')],
];

const proxies: typeof oddErrors = [
  ['it is a proxy that throws', () => new Proxy(new Error('spam'), thrower)],
  ['it is a revoked proxy', () => revoked.proxy],
];

it.each([...oddErrors, ...proxies])('%s: compact_traceback gives what there is', (_, make) => {
  const error = make();
  const [where, , value, info] = compact_traceback(error);
  expect(where).toHaveLength(3);
  expect(value).toBe(error);
  expect(typeof info).toBe('string');
});

onEveryPoller((use_poll) => {
  it.each(oddErrors)('a handler’s error is logged and closes its channel: %s', async (_, make) => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = socketpair();
    class Failing extends dispatcher {
      override handle_read() {
        this.recv(1);
        throw make();
      }
      override log_info(message: unknown) {
        stage.say(String(message));
      }
    }
    const channel = own(new Failing(ours, stage.map));
    own(theirs).send(Buffer.from('x'));
    await stage.loop();
    expect(channel.connected).toBe(false);
    expect(stage.trace.filter((line) => line.startsWith('uncaptured exception'))).toHaveLength(1);
  });
});
