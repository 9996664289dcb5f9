import type { Family, Poller } from './stage.js';

/**
 * Where our trace is not CPython's, and why: each rule in one sentence. The keys with a number are
 * defects of CPython's asyncore that are put right; the README lists all of the rules.
 */
export const rules = {
  A1: 'A hang-up loses no data: what the peer sent is read first, and a channel that is not reading hears of it only then.',
  A2: 'handle_close comes once for each connection, however often its end is seen.',
  A3: 'A channel whose handle_close does not close it is told no more, instead of on every pass.',
  A8: 'A recv with nothing to read is no error: thrown past a handler, it is ignored.',
  A10: 'A listener survives running out of descriptors or memory: it logs that, rests a moment and goes on.',
  A11: 'An exception in handle_accepted closes the new connection, not the listener.',
  A12: 'One event accepts all connections that are waiting, not just one.',
  A13: 'connected is already true inside handle_connect, which comes once even when it throws.',
  A20: 'What handle_close throws is logged, what readable and writable throw goes to handle_error: none of it ends the loop.',
  A21: 'A channel that got the descriptor of a closed one does not get its events.',
  A22: 'handle_expt comes once for an urgent byte that it leaves unread.',
  A23: 'The end of the data from the peer calls handle_eof, whose default is handle_close.',
  A27: 'A timeout or an unreachable peer ends an established connection with handle_close, not handle_error.',
  A29: 'A channel without a handle_write of its own is not woken for writing.',
  A30: 'A socket that is neither connecting, connected nor listening is not waited for.',
  A32: 'A channel whose attempt to connect failed, and that stays open, rests until it connects again.',
  A34: 'A failed attempt to connect calls handle_connect_error, whose default is handle_error, whatever its errno.',
  behind:
    "A socket closed behind its channel's back: handle_close on every poller, and the loop goes on.",
  closed: 'A channel that closed itself in a handler gets nothing more in that pass.',
  empty: 'A datagram without bytes is a datagram, not the end of a stream.',
  full: 'A Unix socket whose listener has no room in its queue is not connecting: connect throws EAGAIN.',
  names:
    'Host names are looked up beside the loop: one that fails is a failed attempt, not an exception from connect.',
  none: 'recv(0) gives no bytes, and is not taken for the end of the stream.',
  pollers:
    'An error comes out the same on every poller: handle_close if it says that the peer is gone, handle_error otherwise.',
  unread:
    'A channel without a handle_read of its own logs the unhandled read once, and then waits for the hang-up only.',
} satisfies Record<string, string>;

export interface Difference {
  scenario: string;
  /** Default: all. */
  pollers?: readonly Poller[];
  /** Default: all. */
  families?: readonly Family[];
  because: keyof typeof rules;
  /** The whole trace, as `diff` shows it: `-` only CPython has the line, `+` only we have it. */
  trace: string;
}

export const differences: readonly Difference[] = [
  {
    scenario: 'echo',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A2',
    trace: `
        client handle_connect
        server handle_accepted
        client handle_write
        client send 5
        handler handle_read
        handler recv 5 b'hello'
        handler send 5
        client handle_read
        client recv 5 b'hello'
        handler handle_read
        handler handle_close
        handler recv 0 b''
      - handler handle_close`,
  },
  {
    scenario: 'connected_in_handle_connect',
    families: ['inet', 'inet6'],
    because: 'A13',
    trace: `
        client connected False connecting False
      - client handle_connect connected False connecting True
      + client handle_connect connected True connecting False
        client handle_write connected True connecting False
        client connected True connecting False
        client connected False connecting False`,
  },
  {
    scenario: 'connected_in_handle_connect',
    families: ['unix'],
    because: 'A13',
    trace: `
        client connected False connecting False
      - client handle_connect connected False connecting True
      + client handle_connect connected True connecting False
        client connected True connecting False
        client connected False connecting False`,
  },
  {
    scenario: 'server_speaks_first',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A2',
    trace: `
        client handle_connect
        client handle_read
        client recv 7 b'welcome'
        client handle_read
        client handle_close
        client recv 0 b''
      - client handle_close`,
  },
  {
    scenario: 'many_waiting',
    because: 'A12',
    trace: `
        server handle_accepted
      - one pass is over
      - server handle_accepted
        server ... again
      + one pass is over`,
  },
  {
    scenario: 'out_of_descriptors',
    because: 'A10',
    trace: `
      - server handle_error EMFILE
      - server log_info error: uncaptured exception
      - server handle_close
      - server in the map False
      + server log_info error: accept EMFILE
      + server handle_accepted
      + server in the map True`,
  },
  {
    scenario: 'listener_shut_down',
    pollers: ['poll', 'default'],
    because: 'pollers',
    trace: `
      + server handle_error EINVAL
      + server log_info error: uncaptured exception
        server handle_close`,
  },
  {
    scenario: 'refused_and_kept_open',
    pollers: ['select'],
    because: 'A32',
    trace: `
        client handle_error ECONNREFUSED
      - client handle_connect
      - client handle_write
      - client handle_read
      - client handle_close
      - client recv 0 b''
      - client in the map False
      + client in the map True`,
  },
  {
    scenario: 'refused_and_kept_open',
    pollers: ['poll', 'default'],
    because: 'A32',
    trace: `
        client handle_error ECONNREFUSED
      - client handle_connect
      - client handle_read
      - client handle_close
      - client recv 0 b''
      - client handle_write
      - client handle_close
      - client in the map False
      + client in the map True`,
  },
  {
    scenario: 'reset_before_connected',
    pollers: ['poll', 'default'],
    because: 'A34',
    trace: `
      + client handle_error ECONNRESET
      + client log_info error: uncaptured exception
        client handle_close`,
  },
  {
    scenario: 'queue_of_the_listener_full',
    pollers: ['select'],
    because: 'full',
    trace: `
      - client handle_connect
      - client handle_read
      - client handle_error EINVAL
      - client log_info error: uncaptured exception
      - client handle_close
      + connect raised EAGAIN
        client connected False`,
  },
  {
    scenario: 'queue_of_the_listener_full',
    pollers: ['poll', 'default'],
    because: 'full',
    trace: `
      - client handle_connect
      - client handle_write
      - client handle_close
      + connect raised EAGAIN
        client connected False`,
  },
  {
    scenario: 'name_that_fails',
    because: 'names',
    trace: `
      - connect raised unresolved
      - client in the map True
      + client handle_error unresolved
      + client log_info error: uncaptured exception
      + client handle_close
      + client in the map False`,
  },
  {
    scenario: 'neither_connected_nor_connecting',
    pollers: ['select'],
    because: 'A30',
    trace: `
      - client handle_read
      - client handle_write
      - client handle_read
      - client handle_write
      - client handle_read
      - client handle_write
        client in the map True`,
  },
  {
    scenario: 'neither_connected_nor_connecting',
    pollers: ['poll', 'default'],
    because: 'A30',
    trace: `
      - client handle_write
      - client handle_close
      - client in the map False
      + client in the map True`,
  },
  {
    scenario: 'closed_by_peer',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A2',
    trace: `
        channel handle_read
        channel handle_close
        channel recv 0 b''
      - channel handle_close`,
  },
  {
    scenario: 'closed_by_peer_after_data',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A1',
    trace: `
        channel handle_read
        channel recv 8 b'twenty b'
      + channel handle_read
      + channel recv 8 b'ytes of '
      + channel handle_read
      + channel recv 4 b'data'
      + channel handle_read
        channel handle_close
      + channel recv 0 b''`,
  },
  {
    scenario: 'closed_by_peer_while_writing',
    pollers: ['poll', 'default'],
    families: ['inet', 'inet6'],
    because: 'closed',
    trace: `
        channel handle_read
        channel recv 8 b'twenty b'
        channel handle_write
        channel handle_read
        channel recv 8 b'ytes of '
        channel handle_write
        channel handle_read
        channel recv 4 b'data'
        channel handle_write
        channel handle_read
        channel handle_close
        channel recv 0 b''
      - channel handle_write`,
  },
  {
    scenario: 'closed_by_peer_while_writing',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A1',
    trace: `
        channel handle_read
        channel recv 8 b'twenty b'
        channel handle_write
      + channel handle_read
      + channel recv 8 b'ytes of '
      + channel handle_write
      + channel handle_read
      + channel recv 4 b'data'
      + channel handle_write
      + channel handle_read
        channel handle_close
      + channel recv 0 b''`,
  },
  {
    scenario: 'closed_by_peer_before_connected',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A1',
    trace: `
        client handle_connect
        client handle_read
        client recv 7 b'goodbye'
      + client handle_read
        client handle_close
      + client recv 0 b''`,
  },
  {
    scenario: 'closed_twice',
    because: 'A2',
    trace: `
        peer recv 0 b''
      - channel handle_close
        channel send 0
      - channel handle_close
        channel recv 0 b''`,
  },
  {
    scenario: 'reset_while_idle',
    pollers: ['poll', 'default'],
    because: 'A2',
    trace: `
        channel handle_read
        channel handle_close
        channel recv 0 b''
      - channel handle_close`,
  },
  {
    scenario: 'reset_with_data_waiting',
    pollers: ['poll', 'default'],
    because: 'A1',
    trace: `
        channel handle_read
        channel recv 8 b'twenty b'
      + channel handle_read
      + channel recv 8 b'ytes of '
      + channel handle_read
      + channel recv 4 b'data'
      + channel handle_read
        channel handle_close
      + channel recv 0 b''`,
  },
  {
    scenario: 'reset_seen_by_own_recv',
    pollers: ['select'],
    because: 'pollers',
    trace: `
        channel handle_read
      - channel handle_error ECONNRESET
      - channel log_info error: uncaptured exception
        channel handle_close`,
  },
  {
    scenario: 'timed_out',
    because: 'A27',
    trace: `
        channel handle_read
      - channel handle_error ETIMEDOUT
      - channel log_info error: uncaptured exception
        channel handle_close`,
  },
  {
    scenario: 'half_closed_and_answered',
    because: 'A23',
    trace: `
        channel handle_read
        channel recv 5 b'hello'
        channel handle_read
      - channel handle_close
      + channel handle_eof
      + channel send 7
        channel recv 0 b''
      - peer recv 0 b''
      + peer recv 7 b'goodbye'`,
  },
  {
    scenario: 'end_of_data_noted',
    families: ['inet', 'inet6'],
    because: 'A23',
    trace: `
        channel handle_read
        channel recv 8 b'some dat'
        channel handle_read
        channel recv 1 b'a'
        channel handle_read
      - channel handle_close
      + channel handle_eof
        channel recv 0 b''
      - channel in the map False
      + channel in the map True`,
  },
  {
    scenario: 'end_of_data_noted',
    pollers: ['select'],
    families: ['unix'],
    because: 'A23',
    trace: `
        channel handle_read
        channel recv 8 b'some dat'
        channel handle_read
        channel recv 1 b'a'
        channel handle_read
      - channel handle_close
      + channel handle_eof
        channel recv 0 b''
      + channel handle_close
        channel in the map False`,
  },
  {
    scenario: 'end_of_data_noted',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A23',
    trace: `
        channel handle_read
        channel recv 8 b'some dat'
      + channel handle_read
      + channel recv 1 b'a'
      + channel handle_read
      + channel handle_eof
      + channel recv 0 b''
        channel handle_close
        channel in the map False`,
  },
  {
    scenario: 'half_closed_by_us',
    pollers: ['poll', 'default'],
    because: 'A2',
    trace: `
        peer recv 0 b''
        channel handle_read
        channel recv 10 b'still here'
        channel handle_read
        channel handle_close
        channel recv 0 b''
      - channel handle_close`,
  },
  {
    scenario: 'close_forgotten',
    families: ['inet', 'inet6'],
    because: 'A3',
    trace: `
        channel handle_read
        channel handle_close
        channel recv 0 b''
      - channel handle_read
      - channel handle_close
      - channel recv 0 b''
      - channel handle_read
      - channel handle_close
      - channel recv 0 b''
        channel in the map True`,
  },
  {
    scenario: 'close_forgotten',
    pollers: ['select'],
    families: ['unix'],
    because: 'A3',
    trace: `
        channel handle_read
        channel handle_close
        channel recv 0 b''
      - channel handle_read
      - channel handle_close
      - channel recv 0 b''
      - channel handle_read
      - channel handle_close
      - channel recv 0 b''
        channel in the map True`,
  },
  {
    scenario: 'close_forgotten',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A3',
    trace: `
        channel handle_read
        channel handle_close
        channel recv 0 b''
      - channel handle_close
      - channel handle_read
      - channel handle_close
      - channel recv 0 b''
      - channel handle_close
      - channel handle_read
      - channel handle_close
      - channel recv 0 b''
      - channel handle_close
        channel in the map True`,
  },
  {
    scenario: 'closed_behind_its_back',
    pollers: ['select'],
    because: 'behind',
    trace: `
        killer handle_read
        killer recv 5 b'hello'
      - loop raised EBADF
      - victim in the map True
      + victim handle_close
      + victim in the map False`,
  },
  {
    scenario: 'left_unread',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A1',
    trace: `
        channel handle_read
      - channel handle_close
      - channel in the map False
      + channel ... again
      + channel in the map True`,
  },
  {
    scenario: 'nothing_asked_for',
    because: 'none',
    trace: `
        channel handle_read
      - channel handle_close
        channel recv 0 b''
      - channel in the map False
      + channel in the map True`,
  },
  {
    scenario: 'out_of_band_left_unread',
    because: 'A22',
    trace: `
        channel handle_expt
      - channel ... again`,
  },
  {
    scenario: 'boom_in_readable',
    because: 'A20',
    trace: `
        channel readable
      - loop raised Boom
      - channel readable
      - loop raised Boom
      - channel in the map True
      + channel handle_error Boom
      + channel log_info error: uncaptured exception
      + channel handle_close
      + channel in the map False`,
  },
  {
    scenario: 'boom_in_writable',
    because: 'A20',
    trace: `
        channel writable
      - loop raised Boom
      - channel writable
      - loop raised Boom
      - channel in the map True
      + channel handle_error Boom
      + channel log_info error: uncaptured exception
      + channel handle_close
      + channel in the map False`,
  },
  {
    scenario: 'boom_in_handle_connect',
    families: ['unix'],
    because: 'A13',
    trace: `
        channel handle_connect
        connect raised Boom
      - channel handle_connect
      - channel handle_error Boom
      - channel log_info error: uncaptured exception
      - channel handle_close
      - channel in the map False
      + channel in the map True`,
  },
  {
    scenario: 'boom_in_handle_accepted',
    because: 'A11',
    trace: `
        channel handle_accept
        channel handle_accepted
        channel handle_error Boom
        channel log_info error: uncaptured exception
      - channel handle_close
      - channel in the map False
      + channel in the map True`,
  },
  {
    scenario: 'boom_in_handle_close',
    because: 'A20',
    trace: `
        channel handle_read
        channel handle_close
      - channel handle_error Boom
        channel log_info error: uncaptured exception
      - channel handle_close
      - loop raised Boom
      - channel handle_read
      - channel handle_close
      - channel handle_error Boom
      - channel log_info error: uncaptured exception
      - channel handle_close
      - loop raised Boom
      - channel in the map True
      + channel recv 0 b''
      + channel in the map False`,
  },
  {
    scenario: 'exit_in_handle_connect',
    families: ['inet', 'inet6'],
    because: 'A13',
    trace: `
        channel handle_connect
        loop raised ExitNow
      - channel handle_connect
      - loop raised ExitNow
        channel in the map True`,
  },
  {
    scenario: 'exit_in_handle_connect',
    families: ['unix'],
    because: 'A13',
    trace: `
        channel handle_connect
        connect raised ExitNow
      - channel handle_connect
      - loop raised ExitNow
      - channel handle_connect
      - loop raised ExitNow
        channel in the map True`,
  },
  {
    scenario: 'exit_in_handle_close',
    because: 'A2',
    trace: `
        channel handle_read
        channel handle_close
        loop raised ExitNow
      - channel handle_read
      - channel handle_close
      - loop raised ExitNow
        channel in the map True`,
  },
  {
    scenario: 'boom_after_accepting',
    because: 'A11',
    trace: `
        server handle_accepted
        server handle_error Boom
        server log_info error: uncaptured exception
      - server handle_close
      - in the map accepted
      + in the map server`,
  },
  {
    scenario: 'nothing_to_read',
    because: 'A8',
    trace: `
        channel handle_read
        channel recv 5 b'hello'
        channel handle_read
      - channel handle_error EAGAIN
      - channel log_info error: uncaptured exception
      - channel handle_close
      - channel in the map False
      + channel in the map True`,
  },
  {
    scenario: 'closes_itself_in_handle_read',
    pollers: ['poll', 'default'],
    because: 'closed',
    trace: `
        channel handle_read
      - channel handle_write
        channel in the map False
        peer recv ECONNRESET`,
  },
  {
    scenario: 'closes_itself_in_handle_connect',
    families: ['inet', 'inet6'],
    because: 'closed',
    trace: `
        channel handle_connect
      - channel handle_write
        channel in the map False`,
  },
  {
    scenario: 'descriptor_reused',
    families: ['inet', 'inet6'],
    because: 'A21',
    trace: `
        killer handle_read
        killer recv 5 b'hello'
        newcomer has the victim's descriptor True
        newcomer handle_connect
      - newcomer handle_read
      - newcomer handle_error EAGAIN
      - newcomer log_info error: uncaptured exception
      - newcomer handle_close
      + newcomer handle_write`,
  },
  {
    scenario: 'descriptor_reused',
    families: ['unix'],
    because: 'A21',
    trace: `
        killer handle_read
        killer recv 5 b'hello'
        newcomer handle_connect
        newcomer has the victim's descriptor True
      - newcomer handle_read
      - newcomer handle_error EAGAIN
      - newcomer log_info error: uncaptured exception
      - newcomer handle_close`,
  },
  {
    scenario: 'writer_whose_peer_left',
    pollers: ['poll', 'default'],
    families: ['inet', 'inet6'],
    because: 'A2',
    trace: `
        channel handle_write
        channel send 5
        channel handle_write
        channel handle_close
        channel send 0
      - channel handle_close`,
  },
  {
    scenario: 'writer_whose_peer_left',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A2',
    trace: `
        channel handle_write
        channel handle_close
        channel send 0
      - channel handle_close`,
  },
  {
    scenario: 'paused_and_resumed',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A1',
    trace: `
        channel resumes
        channel handle_read
        channel recv 5 b'hello'
        channel pauses
        channel resumes
        channel handle_read
        channel recv 7 b'goodbye'
      + channel handle_read
        channel handle_close
      + channel recv 0 b''`,
  },
  {
    scenario: 'paused_while_writing',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A1',
    trace: `
        channel handle_write
      - channel handle_close
      + channel ... again
        channel resumes
      + channel handle_read
      + channel recv 7 b'goodbye'
      + channel handle_read
      + channel handle_close
      + channel recv 0 b''`,
  },
  {
    scenario: 'paused_until_written',
    pollers: ['poll', 'default'],
    families: ['inet', 'inet6'],
    because: 'A1',
    trace: `
        channel handle_write 1
        channel handle_write 2
        channel handle_write 3
        channel send 5
        channel handle_write 4
      - channel handle_close
      - channel in the map False
      + channel handle_write 5
      + channel in the map True`,
  },
  {
    scenario: 'paused_until_written',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A1',
    trace: `
        channel handle_write 1
      + channel handle_write 2
      + channel handle_write 3
        channel handle_close
      + channel send 0
        channel in the map False`,
  },
  {
    scenario: 'no_handle_read',
    families: ['inet', 'inet6'],
    because: 'unread',
    trace: `
        channel log_info warning: unhandled read event
      - channel ... again
      - channel in the map True
      + channel handle_close
      + channel in the map False`,
  },
  {
    scenario: 'no_handle_read',
    pollers: ['select'],
    families: ['unix'],
    because: 'unread',
    trace: `
        channel log_info warning: unhandled read event
      - channel ... again
      - channel in the map True
      + channel handle_close
      + channel in the map False`,
  },
  {
    scenario: 'no_handle_read',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'unread',
    trace: `
        channel log_info warning: unhandled read event
      - channel ... again
        channel handle_close
        channel in the map False`,
  },
  {
    scenario: 'no_handle_write',
    because: 'A29',
    trace: `
      - channel log_info warning: unhandled write event
      - channel ... again
        channel handle_read
        channel recv 5 b'hello'
      - channel log_info warning: unhandled write event`,
  },
  {
    scenario: 'empty_datagram',
    because: 'empty',
    trace: `
        channel handle_read
      - channel handle_close
        channel recv 0 b''
      - channel in the map False
      + channel in the map True`,
  },
  {
    scenario: 'refused_datagram',
    pollers: ['poll', 'default'],
    because: 'pollers',
    trace: `
        channel send 8
      + channel handle_read
      + channel handle_error ECONNREFUSED
      + channel log_info error: uncaptured exception
        channel handle_close
        channel in the map False`,
  },
  {
    scenario: 'duck_whose_peer_left',
    pollers: ['select'],
    families: ['unix'],
    because: 'A1',
    trace: `
        duck handle_write_event
        duck handle_read_event b'goodbye'
        duck handle_read_event b''
      - duck ... again
      + duck handle_close`,
  },
  {
    scenario: 'duck_whose_peer_left',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A1',
    trace: `
        duck handle_write_event
        duck handle_read_event b'goodbye'
      + duck handle_read_event b''
        duck handle_close`,
  },
  {
    scenario: 'events_by_hand',
    because: 'pollers',
    trace: `
        duck handle_read_event b'hello'
        duck handle_write_event
        duck handle_error Boom
        duck handle_read_event b'goodbye'
        duck handle_write_event
        duck handle_error Boom
        duck handle_close
      - duck handle_error ENOTCONN
      - duck handle_close
      + duck ... again`,
  },
  {
    scenario: 'single_passes',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A2',
    trace: `
        channel handle_read
        channel recv 5 b'hello'
        channel handle_read
        channel handle_close
        channel recv 0 b''
      - channel handle_close
        channel in the map False`,
  },
  {
    scenario: 'handed_over',
    pollers: ['poll', 'default'],
    families: ['unix'],
    because: 'A2',
    trace: `
        first handle_read
        first recv 5 b'hello'
        second handle_read
        second recv 5 b'hello'
        second handle_read
        second handle_close
        second recv 0 b''
      - second handle_close`,
  },
];
