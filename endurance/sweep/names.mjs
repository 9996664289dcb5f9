/** What can be chosen on the command line. */

/** The kinds of pass: what the loop decides readiness with, and the two synchronous ones. */
export const POLLERS = ['epoll', 'poll', 'select', 'poll()', 'poll2()'];

/** The programs, those that take longest first. */
export const PROGRAMS = [
  ...[
    'stubborn',
    'new_worker',
    'worker',
    'behind',
    'timeouts',
    'graceful',
    'http',
    'chat',
    'connect',
    'redis',
  ],
  ...[
    'echo',
    'echo_unix',
    'fds',
    'halves',
    'accept',
    'accept_unix',
    'accept_limit',
    'udp',
    'udp_many',
    'file',
    'send_file',
  ],
  'again',
];
