import { join } from 'node:path';
import { expect, it } from 'vitest';
import { namesOthers } from '../../vitest.kinds.ts';

const streams = [{ folder: join(import.meta.dirname, '../core'), files: ['stream'] }];

it.each([
  ['run test/loop.test.ts', true],
  ['run --bail=1 test/loop test/faults/', true],
  ['run', false],
  ['run test/stream.test.ts', false],
  ['run test/stream.test.ts:20', false],
  ['run test/s', false],
  ['run test/loop test/stream', false],
  ['run loop', false], // it may be a part of any name
  ['run test/loop -t ends', false], // who knows which options have a value
  ['watch test/loop', false], // it may be told to run all
])('vitest %s needs no other kinds of transport: %s', (line, others) => {
  expect(namesOthers(line.split(' '), streams)).toBe(others);
});
