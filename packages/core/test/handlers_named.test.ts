/** A handler that is added has its row in the README's table, its event here, and its place in the diagram. */
import { readFileSync } from 'node:fs';
import { dispatcher } from '@asyncore/core';
import { expect, it } from 'vitest';
import { handlers } from './events.js';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

/** What is called when something happens; `handle_read_event` and its kin lead there. */
const all = Object.getOwnPropertyNames(dispatcher.prototype).filter((name) =>
  /^handle_(?!.*_event$)/.test(name),
);

it("names every handler in the README's table", () => {
  const [, names] = /^## Names$([\s\S]*?)^## /m.exec(read('../README.md')) ?? [];
  expect(all.filter((name) => !names.includes(`| \`${name}(`))).toEqual([]);
});

it('shows every handler in the diagram of how the loop works', () => {
  const page = read('../../../docs/how-the-loop-works.md');
  expect(all.filter((name) => !new RegExp(`\\b${name}\\b`).test(page))).toEqual([]);
});

it('knows an event for every handler', () => {
  // An error is what the other handlers throw, and time passes by itself: timeout.test.ts.
  const others = ['handle_error', 'handle_timeout'];
  expect([...handlers, ...others].sort()).toEqual(all.sort());
});
