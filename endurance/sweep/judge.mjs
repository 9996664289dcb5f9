/**
 * What a run may not show. A run is `{ record, end, ms, counts, hits, descriptor, left }`; the base line is one
 * in which nothing was altered. Each complaint begins with its kind and a colon.
 */

/** In milliseconds: what a run may take beyond the base line, and a rest of a listener beyond that. */
const SLACK = 330;
const SLACK_WHEN_LATE = 200;
const REST = 150;
/** Calls that a spinning loop makes; so many times those of the base line, and some, are too many. */
const SPINNING = ['epoll_wait', 'poll', 'select', 'recv', 'accept4', 'send'];
const TIMES = 4;
const MORE = 400;

/** In milliseconds: what a run may take in which nothing is altered. The slowest, which starts a thread, takes 400. */
const LONGEST = 3000;

const EXHAUSTED = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'];
const isError = (what) => /^(error|connect_error|thrown)/.test(what);
const isNoise = (what) => what === 'expt' || what.startsWith('log:');

/** Those between two sides whose text is known; not the servers' own notes. */
const isOwn = ({ name }) => !/^(LISTENER|WORKER|greeter|s\d+)$/.test(name);
const own = ({ conversations }) => [...conversations.values()].filter(isOwn);
const toldIn = (conversation) => Object.values(conversation?.told ?? {}).flat();
const show = ({ name, told }) => `${name} ${JSON.stringify(told)}`;

/** What each side was to get: what the program says, or what it got when nothing was altered. */
function wanted({ name, want }, base) {
  if (Object.keys(want).length > 0) return want;
  return base.record.conversations.get(name)?.got ?? {};
}

const isComplete = (conversation, base) =>
  Object.entries(wanted(conversation, base)).every(
    ([side, text]) => (conversation.got[side] ?? '') === text,
  );

const incompleteOf = (record, base) =>
  own(record).filter((conversation) => !isComplete(conversation, base));

function* ending({ record, end }) {
  for (const problem of record.problems) yield `problem: ${problem}`;
  if (end === 'ok') return;
  if (end !== 'hang') {
    yield `problem: ${end}`;
    return;
  }
  const left = [...record.map.values()].map(
    (channel) =>
      `${channel.constructor.name} connected=${channel.connected} connecting=${channel.connecting}`,
  );
  yield `hang: awaits ${[...record.awaited]}; in the map ${left}`;
}

function* pace(run, outcome, base) {
  const { record, ms, end } = run;
  const rests = outcome.kind === 'listener_survives' ? REST * outcome.times : 0;
  const slack = SLACK + rests + (outcome.name === 'late' ? SLACK_WHEN_LATE : 0);
  if (end === 'ok' && ms > base.ms + slack) {
    yield `stall: ${Math.round(ms)} ms instead of ${Math.round(base.ms)}`;
  }
  if (record.inNode || outcome.times === Infinity) return;
  const calls = ({ counts }) => SPINNING.reduce((sum, name) => sum + counts[name], 0);
  if (calls(run) > calls(base) * TIMES + MORE) {
    yield `spin: ${calls(run)} calls instead of ${calls(base)}`;
  }
}

/** Nothing is doubled, and nothing out of order. */
function* order({ record }, base) {
  for (const conversation of own(record)) {
    const want = wanted(conversation, base);
    for (const [side, text] of Object.entries(conversation.got)) {
      if (want[side] === undefined || want[side].startsWith(text)) continue;
      yield `data: ${side} of ${conversation.name} got what is no beginning of what was sent`;
    }
  }
}

/** Nobody is told the end or the error twice, or of what did not happen. */
function* told({ record }, outcome, base) {
  for (const conversation of record.conversations.values()) {
    const { name } = conversation;
    if (name === 'greeter') continue;
    for (const [side, all] of Object.entries(conversation.told)) {
      const closes = all.filter((what) => what === 'close').length;
      if (closes > 1 && name !== 'WORKER') yield `twice: ${side} of ${name}: ${all}`;
      // An attempt that failed may close with an error of its own.
      const attempts = all.some((what) => what.startsWith('connect_error')) ? 1 : 0;
      const errors = all.filter((what) => /^(error|connect_error)/.test(what)).length;
      const isSeveral = outcome.times > 1 || 'again' === name || name === 'WORKER';
      if (!isSeveral && errors > 1 + attempts) yield `twice: ${side} of ${name}: ${all}`;
      const before = base.record.conversations.get(name)?.told[side] ?? [];
      if (all.some(isNoise) && !before.some(isNoise)) yield `spurious: ${side} of ${name}: ${all}`;
    }
  }
}

const listenerTold = ({ conversations }) => [
  ...toldIn(conversations.get('LISTENER')),
  ...(conversations.get('WORKER')?.told.listener ?? []),
];

/** Nothing is lost, and whoever is told nothing must be. */
function* nobodyNotices({ record }, outcome, base) {
  if (record.setup !== null) yield `told: the program could not begin: ${record.setup}`;
  if (record.loopError !== null) yield `told: the loop rejected with ${record.loopError}`;
  const incomplete = incompleteOf(record, base);
  const isOneLost = outcome.kind === 'one_lost';
  if (incomplete.length > (isOneLost ? 1 : 0)) {
    yield `lost: ${incomplete.map(show).join('; ')}`;
  }
  const listener = listenerTold(record);
  if (listener.length > 0) yield `listener: told ${listener}`;
  const notices = own(record).filter((conversation) => {
    // The kernel resets a connection that is gone before what its client had sent was read.
    if (isOneLost && incomplete.includes(conversation)) return false;
    const before = toldIn(base.record.conversations.get(conversation.name));
    const notes = (all) => all.some((what) => isError(what) || what === 'timeout');
    return notes(toldIn(conversation)) && !notes(before);
  });
  if (outcome.kind === 'goes_on') {
    if (notices.length === 0 && record.thrown.length === 0) yield 'silent: nobody was told';
    return;
  }
  if (notices.length > 0) yield `told: ${notices.map(show).join('; ')}`;
  // Descriptors or memory that are missing may be told to who calls accept.
  const thrown = record.thrown.filter((code) => !EXHAUSTED.includes(code));
  if (thrown.length > 0) yield `told: thrown ${thrown}`;
}

/** Who had the descriptor of the altered call was told something, or has lost nothing. */
function* ownerKnows({ record, descriptor }, incomplete) {
  const owners = [...record.channels].filter(({ descriptors = [] }) =>
    descriptors.includes(descriptor),
  );
  if (owners.length !== 1 || record.thrown.length > 0) return;
  const [{ conversation, side }] = owners;
  if (!incomplete.some(({ name }) => name === conversation)) return;
  const heard = record.conversation(conversation).told[side] ?? [];
  if (!heard.some((what) => what !== 'eof')) yield `silent: ${side} of ${conversation}`;
}

/** The example and the worker tell their errors in their own channels' notes. */
const serverKnows = ({ conversations, inNode }) =>
  inNode &&
  [...conversations.values()].some(
    (conversation) => !isOwn(conversation) && toldIn(conversation).some(isError),
  );

/** One is concerned, and knows of it; the others get all. */
function* oneIsTold(run, outcome, base) {
  const { record, descriptor } = run;
  if (record.setup !== null || record.loopError !== null) return;
  const listener = listenerTold(record);
  const incomplete = incompleteOf(record, base);
  if (outcome.times === 1) {
    const isOther = descriptor >= 0 && !record.listening.has(descriptor);
    const isWait = ['poll', 'select', 'epoll_wait'].includes(outcome.call);
    const inWorker = record.conversations.has('WORKER');
    if (listener.includes('close') && isOther && !isWait && !inWorker) {
      yield `listener: told of another’s error: ${listener}`;
    }
    if (listener.length === 0 && incomplete.length > 1) {
      yield `others: ${incomplete.map(show).join('; ')}`;
    }
    yield* ownerKnows(run, incomplete);
  }
  if (record.thrown.length > 0 || serverKnows(record)) return;
  for (const conversation of incomplete) {
    // A peer in Node's own hands knows by the end alone.
    const heard = toldIn(conversation).filter((what) => what !== 'eof' || record.inNode);
    if (heard.length === 0) yield `silent: ${conversation.name}`;
  }
}

function* always({ record, end, left }) {
  if (record.setup === null && record.loopError === null) {
    for (const [name, side] of Object.entries(record.mustTell)) {
      if (toldIn(record.conversations.get(name)).length === 0) yield `silent: ${side} of ${name}`;
    }
  }
  if (end !== 'ok') return;
  if (left.length > 0) yield `left open: ${left}`;
  if (record.map.size > 0) yield `left in the map: ${record.map.size}`;
}

/** What a run shows in which nothing was altered, and that it may not. */
export function* judgePlain(run) {
  const { record, ms } = run;
  yield* ending(run);
  if (record.setup !== null) yield `problem: the program could not begin: ${record.setup}`;
  if (record.loopError !== null) yield `problem: the loop rejected with ${record.loopError}`;
  if (run.end !== 'ok') return;
  if (ms > LONGEST) yield `stall: ${Math.round(ms)} ms, and ${LONGEST} are the most`;
  for (const conversation of incompleteOf(record, run)) yield `lost: ${show(conversation)}`;
}

/** What this run shows that it may not. */
export function judge(run, outcome, base) {
  const isTold = outcome.kind === 'told';
  return [
    ...ending(run),
    ...pace(run, outcome, base),
    ...order(run, base),
    ...told(run, outcome, base),
    ...(isTold ? oneIsTold(run, outcome, base) : nobodyNotices(run, outcome, base)),
    ...always(run),
  ];
}
