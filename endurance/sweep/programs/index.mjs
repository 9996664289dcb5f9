/** The programs: each does its work once, on the record's kind of pass, and writes down what came of it. */
import { accept, accept_limit, accept_unix } from './accept.mjs';
import { again } from './again.mjs';
import { behind } from './behind.mjs';
import { chat } from './chat.mjs';
import { connect } from './connect.mjs';
import { echo, echo_unix } from './echo.mjs';
import { http, redis } from './examples.mjs';
import { fds } from './fds.mjs';
import { file } from './file.mjs';
import { graceful } from './graceful.mjs';
import { halves } from './halves.mjs';
import { send_file } from './send_file.mjs';
import { stubborn } from './stubborn.mjs';
import { timeouts } from './timeouts.mjs';
import { udp, udp_many } from './udp.mjs';
import { new_worker, worker } from './worker.mjs';

export const programs = {
  ...{ stubborn, behind, echo, echo_unix, chat, accept, accept_unix, accept_limit, connect, udp },
  ...{ udp_many },
  ...{ fds, file, send_file, timeouts, halves, again, graceful, worker, new_worker, http, redis },
};

/** Where only some calls are altered: what a thread does when it begins and ends. `worker` has the others. */
export const altered = {
  new_worker: ['calloc', 'realloc', 'epoll_create1', 'close_socket', 'close_queue', 'close_file'],
};
