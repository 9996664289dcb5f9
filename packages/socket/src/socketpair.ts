import { binding } from './binding.js';
import { AF_UNIX, SOCK_STREAM } from './constants.js';
import { checked } from './os_error.js';
import { Socket } from './socket.js';

const pair = new Int32Array(2);

/** Makes two sockets that are connected to each other. socketpair(2). */
export function socketpair(family = AF_UNIX, type = SOCK_STREAM, proto = 0): [Socket, Socket] {
  checked('socketpair', binding.socketpair(family, type, proto, pair));
  const [first, second] = pair;
  return [
    new Socket(family, type, proto, first, true),
    new Socket(family, type, proto, second, true),
  ];
}
