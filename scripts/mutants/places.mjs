/**
 * What `npm run mutants` breaks: a name, the package, the module in its `dist`, what is there, and what comes
 * in its place. `guard` is for those that no simulated test can notice: what else keeps the promise.
 */
const place = (name, folder, module, from, to, guard = null) => ({
  name,
  folder,
  module,
  from,
  to,
  guard,
});

const OUTPUT = 'output/output';
const SENDING = 'output/sending';
const ENDPOINT = 'dispatcher/socket_endpoint';
const TRANSFERS = 'dispatcher/transfers';
const CONNECTION = 'dispatcher/connection';
const LISTENING = 'dispatcher/listening';
const CONNECTING = 'dispatcher/connecting';
const REGISTRATION = 'loop/registration';
const MATCHER = 'terminator_matcher';

export const places = [
  // ---- who is told, and when ----
  place(
    'handle_close may come twice',
    'core',
    TRANSFERS,
    'this.set(OVER | TOLD, true);',
    'this.set(TOLD, true);',
  ),
  place(
    'events after close in the same pass',
    'core',
    REGISTRATION,
    'this.alive && this.served === wait && ',
    'this.served === wait && ',
  ),
  place(
    "events of a descriptor's past",
    'core',
    'loop/channels',
    'registration.since < wait',
    'true',
    'a channel that was not asked yet waits for nothing, and its hang-up is looked at before it is told',
  ),
  place('a nested poll tells again', 'core', REGISTRATION, ' || this.served > wait', ''),
  place(
    'what a nested poll has served is told on',
    'core',
    REGISTRATION,
    'this.alive && this.served === wait && ',
    'this.alive && ',
    'deliver has looked before the first handler, and an attempt to connect counts what it was told',
  ),
  place(
    'events of the former connection are told to the next',
    'core',
    REGISTRATION,
    / \|\| this\.endpoint\.life !== this\.life(?=\)\s+return;)| && this\.endpoint\.life === this\.life(?=;)/g,
    '',
  ),
  place('the end is not looked at', 'core', REGISTRATION, 'steps |= END;', ''),
  place(
    'a hang-up loses data',
    'core',
    REGISTRATION,
    'steps & UNREAD && !(this.wanted & POLLHUP)',
    'false',
  ),
  place(
    'a paused channel whose peer is gone is looked at without end',
    'core',
    REGISTRATION,
    'this.change({ restedAt: this.asked });',
    '',
  ),
  place(
    'a loss before the last read is told at once',
    'core',
    TRANSFERS,
    '!this.is(ENDED) && !isClosed(error) && this.willRead()',
    'false',
  ),
  place(
    'told of the end twice',
    'core',
    TRANSFERS,
    /if \(this\.is\(ENDED \| OVER\)\)\s+return;/,
    '',
  ),
  place(
    'the end of the data is told to nobody',
    'core',
    TRANSFERS,
    /(MAY_HOLD_MORE, false\);\s+)this\.endOfData\(\);/,
    '$1',
  ),
  place(
    'an async handler is called again while it runs',
    'core',
    ENDPOINT,
    'ENDED | READING;',
    'ENDED;',
  ),
  place(
    'the errors of a peer that has gone go to handle_error',
    'core',
    'handlers/handling',
    '!known.takes(error, late)',
    'true',
  ),
  place('a broken pipe is no end', 'core', 'handlers/disconnected', "'EPIPE', ", ''),

  // ---- what is asked, and what the kernel is told ----
  place(
    'nothing is asked after a change',
    'core',
    'loop/channels',
    'this.listener?.changed(registration);',
    '',
  ),
  place(
    'what is removed stays in the queue',
    'core',
    'loop/channels',
    'this.listener?.removed(known);',
    '',
  ),
  place(
    'the kernel is not told of a change',
    'core',
    'loop/kernel_queue',
    'poller.modify(fd, now)',
    'poller.modify(fd, before)',
  ),
  place(
    'the list of those to be asked loses one',
    'core',
    'loop/asking',
    /if \(this\.#first === null\)\s+this\.#last = null;/,
    '',
  ),
  place(
    'nobody is asked after a synchronous pass',
    'core',
    'loop/loop',
    'this.#askedAt !== this.#channels.passes',
    'false',
    'everybody is asked before the next wait, and who is gone is told nothing',
  ),
  place(
    'paused channels are read',
    'core',
    ENDPOINT,
    'wantsToRead = channel.readable()',
    'wantsToRead = true',
  ),

  // ---- output and its end ----
  place(
    'the queue forgets what was sent of a chunk',
    'core',
    'output/output_queue',
    'subarray(start, start + left)',
    'subarray(0, left)',
  ),
  place(
    'the chunks that are out are counted wrong',
    'core',
    'output/output_queue',
    'this.loose -= this.first;',
    '',
    'many small chunks have to follow large ones that have left: core/test/output_queue.test.ts',
  ),
  place(
    'a large chunk is joined with the small ones before it',
    'core',
    'output/output_queue',
    /if \(!isSmall\)\s+this\.join\(\);/,
    '',
  ),
  place(
    'a partial send is taken for a whole one',
    'core',
    SENDING,
    'queue.consume(sent);',
    'queue.consume(lengthOf(chunks));',
  ),
  place(
    'a send within a send sends the same',
    'core',
    SENDING,
    /if \(this\.sending\)\s+return;/,
    '',
  ),
  place(
    'of several channels the output of one goes out',
    'core',
    'output/gathering',
    '[only, ...others.splice(0)]',
    '[only]',
    'it goes out in the next pass, since a channel with output waits for room',
  ),
  place(
    'half-close drops the rest',
    'core',
    OUTPUT,
    'const answersOnly = this.isWaiting;',
    'const answersOnly = false;',
  ),
  place('a closing channel takes more', 'core', OUTPUT, ", closedBy: 'close_when_done'", ''),
  place(
    'close_when_done closes at once',
    'core',
    OUTPUT,
    "this.change({ closes: true, closedBy: 'close_when_done' });",
    'this.ending.linger();',
  ),
  place(
    'a shutdown that waits never comes',
    'core',
    OUTPUT,
    /this\.change\(\{ shutdown: Math\.max\(.*\);/,
    '',
  ),
  place(
    'the lingering never ends',
    'core',
    TRANSFERS,
    'this.is(LINGERING | SEND_FAILED)',
    'this.is(SEND_FAILED)',
  ),
  place(
    'the lingering does not end its half',
    'core',
    TRANSFERS,
    'transport.shutdown(SHUT_WR);',
    '',
  ),
  place(
    'the output of the former connection goes to the next',
    'core',
    CONNECTION,
    /(if \(this\.is\(MET\)\) \{\s+)this\.forgetOutput\(\);/,
    '$1',
    'it is dropped again when the next connection begins',
  ),

  // ---- connecting, listening ----
  place(
    'a look-up of an earlier attempt counts',
    'core',
    CONNECTING,
    /stop\(\) \{\s+this\.#lookup = null;/,
    'stop() {',
    'a channel asks only its present attempt for the result of a look-up',
  ),
  place('a failed look-up is told to nobody', 'core', CONNECTING, 'this.fail(lookup.error);', ''),
  place(
    'an attempt that failed at once goes on',
    'core',
    CONNECTING,
    /endpoint\.put\(CONNECTING, false\);(\s+return new OSError)/,
    '$1',
  ),
  place(
    'SO_ERROR is not looked at',
    'core',
    'dispatcher/event_channel',
    /known\.takeError\(\)(?=;\s+if \(error !== 0\))/,
    '0',
  ),
  place(
    'the listener never wakes from its rest',
    'core',
    LISTENING,
    'return this.isResting ? REST : undefined;',
    'return undefined;',
  ),
  place(
    'a released connection does not count down',
    'core',
    LISTENING,
    'this.#connections -= 1;',
    '',
  ),
  place(
    'a listener takes more than max_connections',
    'core',
    LISTENING,
    'max_connections > 0 && this.#connections >= max_connections',
    'false',
  ),
  place(
    'an error of handle_accepted closes the listener',
    'core',
    LISTENING,
    'this.#sparing = true;',
    '',
  ),

  // ---- time ----
  place(
    'timeouts are told too soon',
    'core',
    'loop/timeouts',
    'if (left <= 0)',
    'if (left <= 5000)',
  ),
  place('timeouts are never told', 'core', 'loop/timeouts', 'registration.tellTimeout();', ';'),
  place(
    'what moves does not count as progress',
    'core',
    TRANSFERS,
    /if \(sent > 0\)\s+this\.flags \|= MOVED;/,
    '',
  ),

  // ---- chat ----
  place(
    'a terminator cut in two',
    'chat',
    MATCHER,
    'find_prefix_at_end(buffer.subarray(start), term)',
    '0',
  ),
  place(
    'a terminator of a list cut in two',
    'chat',
    'needle_list',
    'at + equal === buffer.length',
    'false',
  ),
  place(
    'the rest of a longer terminator is data',
    'chat',
    MATCHER,
    'this.endings = term.endings;',
    ';',
  ),
  place('what was held back is forgotten', 'chat', MATCHER, '[rest, ...waiting]', 'waiting'),
  place('what is too long is not passed over', 'chat', MATCHER, 'this.skipping = term;', ''),
  place(
    'what is too long is not told',
    'chat',
    'async_chat',
    'this.#chat.handle_overflow()',
    'undefined',
  ),
  place('parses on while it is paused', 'chat', MATCHER, 'while (!this.paused && (', 'while (('),
  place('parses no more after a drain', 'chat', 'async_chat', 'this.#matcher.resume();', ';'),
  place('no drain is told', 'chat', 'async_chat', /this\.handle_drain\(\)/g, 'undefined'),
  place(
    'what was collected is not forgotten',
    'chat',
    'async_chat',
    /(const pieces = this\.incoming;\s+)this\.incoming = \[\];/,
    '$1',
  ),
  place(
    'bytes overtake a producer',
    'chat',
    'async_chat',
    'output.source !== null && output.source.length > 0',
    'false',
  ),
  place(
    'a producer whose piece has come is not asked',
    'chat',
    'running_producer',
    /if \(!this\.ended\)\s+this\.ready\(\);/,
    '',
  ),
  place(
    'the input of the former connection is parsed in the next',
    'chat',
    'async_chat',
    /_begin\(\) \{\s+this\.#matcher\.reset\(\);/,
    '_begin() {',
  ),
  place(
    'small pieces are joined without the last',
    'chat',
    'collected',
    'longer.set(data, last.length);',
    '',
  ),
];
