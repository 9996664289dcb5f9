import { expect, it } from 'vitest';
import { judge, judgePlain } from '../sweep/judge.mjs';
import { Record } from '../sweep/record.mjs';
import { report } from '../sweep/report.mjs';

const SENT = 'abc';
const OUTCOME = { call: 'recv', kind: 'transparent', name: 'EINTR', times: 1 };
const COUNTS = { epoll_wait: 10, poll: 0, select: 0, recv: 10, accept4: 1, send: 10 };

/** What a run would be in which two clients got `a` and `b`, after `more` was written down. */
function run(a = SENT, b = SENT, more: (record: Record) => void = () => {}) {
  const record = new Record('epoll');
  for (const [name, got] of Object.entries({ a, b })) {
    record.conversation(name, { client: SENT });
    record.got(name, 'client', got);
  }
  more(record);
  const counts = { ...COUNTS };
  return { record, end: 'ok', ms: 10, counts, hits: 1, descriptor: 5, left: [] as string[] };
}

const base = run();

/** The kinds of its complaints. */
function complaints(of: ReturnType<typeof run>, outcome: Partial<typeof OUTCOME> = {}) {
  return judge(of, { ...OUTCOME, ...outcome }, base).map((each) => each.split(':')[0]);
}

const told = { kind: 'told', name: 'ECONNRESET' };

it('finds nothing where nobody notices', () => {
  expect(complaints(run())).toEqual([]);
});

it('finds what is lost, doubled or out of order', () => {
  expect(complaints(run('ab'))).toEqual(['lost']);
  expect(complaints(run('aabc'))).toEqual(['data', 'lost']);
  expect(complaints(run('acb'), told)).toContain('data');
});

it('finds who is told of what is transparent, twice, or of nothing that happened', () => {
  const tell =
    (...all: string[]) =>
    (record: Record) => {
      for (const what of all) record.tell('a', 'client', what);
    };
  expect(complaints(run(SENT, SENT, tell('error:EINTR')))).toEqual(['told']);
  expect(complaints(run(SENT, SENT, tell('close', 'close')))).toEqual(['twice']);
  expect(complaints(run('', SENT, tell('error:EIO', 'error:EIO')), told)).toEqual(['twice']);
  expect(complaints(run(SENT, SENT, tell('expt')))).toEqual(['spurious']);
});

it('finds a loss of which nobody is told, and one that others share', () => {
  const tell = (record: Record) => {
    record.tell('a', 'client', 'close');
    record.tell('b', 'client', 'close');
  };
  expect(complaints(run('', SENT), told)).toEqual(['silent']);
  expect(complaints(run('', SENT, tell), told)).toEqual([]);
  expect(complaints(run('', '', tell), told)).toEqual(['others']);
});

it('allows one connection to be gone with its error, and no listener', () => {
  const lost = { call: 'accept4', kind: 'one_lost', name: 'EPERM' };
  expect(complaints(run(''), lost)).toEqual([]);
  expect(complaints(run('', ''), lost)).toEqual(['lost']);
  const reset = (record: Record) => record.tell('a', 'client', 'error:ECONNRESET');
  expect(complaints(run('', SENT, reset), lost)).toEqual([]);
  expect(complaints(run(SENT, '', reset), lost)).toEqual(['told']);
  const close = (record: Record) => record.tell('LISTENER', 'server', 'close');
  expect(complaints(run(SENT, SENT, close), lost)).toEqual(['listener']);
});

it('wants an error told that leaves the channel open', () => {
  const goesOn = { kind: 'goes_on', name: 'ENOBUFS' };
  const tell = (record: Record) => record.tell('a', 'client', 'error:ENOBUFS');
  expect(complaints(run(), goesOn)).toEqual(['silent']);
  expect(complaints(run(SENT, SENT, tell), goesOn)).toEqual([]);
  expect(complaints(run('', SENT, tell), goesOn)).toEqual(['lost']);
});

it('finds what hangs, stalls, spins or is left open', () => {
  expect(complaints({ ...run(), end: 'hang' })).toEqual(['hang']);
  expect(complaints({ ...run(), ms: 1000 })).toEqual(['stall']);
  expect(complaints({ ...run(), counts: { ...COUNTS, recv: 10_000 } })).toEqual(['spin']);
  expect(complaints({ ...run(), left: ['7 socket:[1]'] })).toEqual(['left open']);
});

it('finds what hangs, stalls, fails or loses something with nothing altered', () => {
  const plain = (of: ReturnType<typeof run>) =>
    [...judgePlain(of)].map((each) => each.split(':')[0]);
  expect(plain(run())).toEqual([]);
  expect(plain({ ...run(), end: 'hang' })).toEqual(['hang']);
  expect(plain({ ...run(), ms: 5000 })).toEqual(['stall']);
  expect(plain(run('ab'))).toEqual(['lost']);
  const fail = (record: Record) => Object.assign(record, { loopError: 'EBADF' });
  expect(plain(run(SENT, SENT, fail))).toEqual(['problem']);
});

it('says which program on which poller goes wrong with nothing altered, and how to see it again', () => {
  const complaints = ['unaltered: echo on poll() goes wrong by itself: hang: awaits c0'];
  const lines = [...report([{ program: 'echo', poller: 'poll()', place: 'begin', complaints }])];
  expect(lines.join('\n')).toContain(complaints[0]);
  expect(lines.at(-1)).toBe("  npm run sweep -- --programs echo --pollers 'poll()'");
});
