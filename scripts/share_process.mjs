/**
 * Vitest's setupFiles of the test files that share a process (see sharing.mjs): each begins with modules of its own,
 * and fails when it leaves behind what the next one may notice.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, vi } from 'vitest';
import { socket_map } from '../packages/core/dist/index.js';
import { gc } from '../test-support/collect.mjs';

// Hooks at the top of a module of test-support belong to the test file that imports it.
vi.resetModules();

/** What the packages and Node themselves listen to and set, once in a process. */
const ONCE = ['exit', 'beforeExit', 'Symbol(undici.globalDispatcher.1)'];

/** The open sockets and pipes, where the system tells. */
function descriptors() {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return /^(?:socket|pipe):/.test(target) ? [`descriptor ${fd}, ${target}`] : [];
    } catch {
      return []; // that of the folder
    }
  });
}

/** What a test file may change for the next one. */
function everything() {
  const isOthers = (/** @type {string | symbol} */ name) => !ONCE.includes(String(name));
  const events = process.eventNames().filter(isOthers);
  return new Set([
    ...Object.entries(process.env).map(([name, value]) => `process.env.${name} ${value}`),
    ...Reflect.ownKeys(globalThis)
      .filter(isOthers)
      .map((name) => `globalThis.${String(name)}`),
    ...events.map((name) => `${process.listenerCount(name)} of process.on('${String(name)}')`),
    ...descriptors(),
    `process.cwd() ${process.cwd()}`,
    `process.exitCode ${process.exitCode}`,
    ...(socket_map.size > 0 ? [`${socket_map.size} channels in socket_map`] : []),
  ]);
}

const functions = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'Date', 'fetch'];
const originals = functions.map((name) => globalThis[name]);
const turn = () => new Promise((resolve) => globalThis.setImmediate(resolve));

/** Whether Node's event loop rests when nothing is to do, at the latest when Vitest has reported all tests. */
async function rests() {
  const count = () => performance.nodeTiming.uvMetricsInfo.loopCount;
  for (let attempt = 0; attempt < 50; attempt++) {
    const start = count();
    // Not waited for something to happen: in this time an idle loop turns a few times, a busy one hundreds.
    await new Promise((resolve) => globalThis.setTimeout(resolve, 20));
    if (count() - start < 10) return true;
  }
  return false;
}

let before = new Set();

function left() {
  return [...everything()].filter((line) => !before.has(line));
}

beforeAll(() => {
  before = everything();
});

afterAll(async () => {
  const replaced = functions.filter((name, i) => globalThis[name] !== originals[i]);
  // What a test closes at its end may take some turns.
  for (let turns = 0; turns < 100 && left().length > 0; turns++) {
    if (turns % 10 === 5) gc(); // sockets that nobody holds close themselves then
    await turn();
  }
  const found = [...replaced.map((name) => `another globalThis.${name}`), ...left()];
  if (!(await rests())) found.push('something that keeps the event loop turning');
  if (found.length === 0) return;
  throw new Error(
    `It leaves behind, for the test files that share its process: ${found.join('; ')}. ` +
      "Put it right, or say in the file why it has to be alone: '// In a process of its own: …'",
  );
});
