import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { encoded_terminator } from '@asyncore/chat';
import { NO_REFEREE, referee } from '@asyncore/test-support/python';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { b, trace } from './trace.js';

// Few letters, so that terminators turn up often, by halves, and one within another.
const letters = fc.constantFrom('a', 'b', '\r', '\n');
const needles = fc.string({ unit: letters, minLength: 1, maxLength: 5 });
const texts = fc.string({ unit: letters, maxLength: 80 });
const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 80 });
const lists = fc.array(needles, { minLength: 1, maxLength: 4 });
const terminators = fc.oneof(
  { weight: 4, arbitrary: needles.map(b) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 9 }) },
  { weight: 1, arbitrary: fc.constant(null) },
);

function cut(text: string, lengths: number[]): string[] {
  const chunks: string[] = [];
  let at = 0;
  for (const length of lengths) {
    if (at + length >= text.length) break;
    chunks.push(text.slice(at, at + length));
    at += length;
  }
  return [...chunks, text.slice(at)];
}

describe('events', () => {
  const steps = fc.array(
    fc.oneof(
      terminators,
      lists.map((list) => list.map(b)),
    ),
    { maxLength: 8 },
  );
  const limits = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6 }));

  function events(
    chunks: string[],
    [first = null, ...rest]: encoded_terminator[],
    limit: number,
  ): string[] {
    const traced = new trace(first);
    traced.max_incoming = limit;
    traced.on_found = traced.on_overflow = () => {
      const next = rest.shift();
      if (next !== undefined) traced.matcher.terminator = next;
    };
    return traced.feed(...chunks).joined;
  }

  it('are the same however the input was cut', () => {
    fc.assert(
      fc.property(texts, sizes, steps, limits, (text, lengths, script, limit) => {
        const bytewise = events([...text], script, limit);
        expect(events([text], script, limit)).toEqual(bytewise);
        expect(events(cut(text, lengths), script, limit)).toEqual(bytewise);
      }),
      { numRuns: 3000 },
    );
  });

  it('are the same when the consumer pauses at each of them', () => {
    fc.assert(
      fc.property(texts, sizes, lists, limits, (text, lengths, list, limit) => {
        const traced = new trace(list.map(b));
        traced.max_incoming = limit;
        traced.on_data = traced.on_found = traced.on_overflow = () => traced.matcher.pause();
        traced.feed(...cut(text, lengths));
        for (let before = -1; before < traced.events.length; ) {
          before = traced.events.length;
          traced.matcher.resume();
        }
        expect(traced.joined).toEqual(events([text], [list.map(b)], limit));
      }),
      { numRuns: 1000 },
    );
  });

  // A regular expression is another judge of "the first, and of those that begin there the longest".
  it('divide at the first and longest of several terminators, and overflow past the limit', () => {
    fc.assert(
      fc.property(texts, sizes, lists, limits, (text, lengths, list, limit) => {
        const longestFirst = list.toSorted((one, other) => other.length - one.length);
        const lines = text.split(new RegExp(longestFirst.join('|')));
        const expected = lines.flatMap((line, at) => {
          const short = limit === 0 ? line : line.slice(0, limit);
          const last = at === lines.length - 1;
          const end = short === line ? (last ? [] : ['found']) : ['overflow'];
          return [...(short === '' ? [] : [`data:${short}`]), ...end];
        });

        // An x begins no terminator, so that nothing is held back.
        const lastWithX = limit === 0 || (lines.at(-1)?.length ?? 0) < limit;
        const traced = new trace(list.map(b));
        traced.max_incoming = limit;
        traced.feed(...cut(text, lengths), 'x');
        const withX = new trace(null);
        for (const event of expected) withX.events.push(event);
        if (lastWithX) withX.events.push('data:x');
        else if (withX.events.at(-1) !== 'overflow') withX.events.push('overflow');
        expect(traced.joined).toEqual(withX.joined);
      }),
      { numRuns: 3000 },
    );
  });
});

const python = referee('asynchat') ?? '';
const unable = python ? '' : ` (${NO_REFEREE})`;

describe.skipIf(unable !== '')(`CPython's asynchat as the referee${unable}`, () => {
  const script = fileURLToPath(new URL('asynchat_referee.py', import.meta.url));
  let referee: ChildProcessByStdio<Writable, Readable, null>;
  let answers: AsyncIterator<string>;
  beforeAll(() => {
    referee = spawn(python, ['-W', 'ignore', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    answers = createInterface(referee.stdout)[Symbol.asyncIterator]();
  });
  afterAll(() => referee.stdin.end());

  type Step = { set?: encoded_terminator; discard?: boolean; fail?: boolean };
  const steps: fc.Arbitrary<Step> = fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) },
    { weight: 4, arbitrary: fc.record({ set: terminators }) },
    { weight: 1, arbitrary: fc.constant({ discard: true }) },
    { weight: 1, arbitrary: fc.constant({ fail: true }) },
  );
  const cases = fc.record({
    text: texts,
    lengths: sizes,
    terminator: terminators,
    found: fc.array(steps, { maxLength: 12 }),
    between: fc.array(
      fc.oneof({ weight: 5, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: steps }),
    ),
  });
  type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

  function run({ text, lengths, terminator, found, between }: Case) {
    const traced = new trace(terminator);
    const take = ({ set, discard, fail }: Step = {}) => {
      if (discard) traced.matcher.discard();
      if (set !== undefined) traced.matcher.terminator = set;
      if (fail) throw new Error('as told');
    };
    const left = () => {
      const term = traced.matcher.terminator;
      return term === null || typeof term === 'number' ? term : null;
    };
    const steps = [...found];
    traced.on_found = () => {
      const term = traced.matcher.terminator;
      if (!(term instanceof Uint8Array)) traced.events[traced.events.length - 1] += ` ${term}`;
      take(steps.shift());
    };
    for (const [at, chunk] of cut(text, lengths).entries()) {
      try {
        traced.feed(chunk);
        take(between[at]);
      } catch (error) {
        traced.events.push(String(error));
      }
    }
    return { events: traced.events, left: left(), kept: traced.matcher.kept };
  }

  async function judge({ text, lengths, terminator, found, between }: Case): Promise<unknown> {
    const coded = (term: encoded_terminator | undefined) =>
      term instanceof Uint8Array ? { bytes: Buffer.from(term).toString('base64') } : term;
    const step = ({ set, ...rest }: Step) => ({ ...rest, set: coded(set) });
    const chunks = cut(text, lengths).map((chunk) => b(chunk).toString('base64'));
    const asked = {
      chunks,
      terminator: coded(terminator),
      found: found.map(step),
      between: chunks.map((_, at) => step(between[at] ?? {})),
    };
    referee.stdin.write(`${JSON.stringify(asked)}\n`);
    return JSON.parse((await answers.next()).value);
  }

  it('sees the same calls with the same data, the same countdown and as many bytes kept', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (each) => {
        expect(run(each)).toEqual(await judge(each));
      }),
      { numRuns: 3000 },
    );
  }, 60_000);
});
