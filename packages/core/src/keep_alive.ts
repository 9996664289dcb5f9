import {
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOL_SOCKET,
  type Socket,
  TCP_KEEPALIVE,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_USER_TIMEOUT,
  wrong,
} from '@asyncore/socket';

/** `set_keep_alive`'s arguments; what is left out stays as the system has it. */
export interface keep_alive_options {
  /** Seconds without a word from the peer until it is probed. */
  idle?: number;
  /** Seconds between probes. */
  interval?: number;
  /** How many probes stay unanswered until the connection is given up. */
  count?: number;
  /** Seconds that what was sent may stay unacknowledged (Linux; passed over elsewhere). */
  user_timeout?: number;
}

/** The most that Linux takes. */
const MOST = { idle: 32767, interval: 32767, count: 127, user_timeout: 2147483 };

/** Each option as a socket option of IPPROTO_TCP, and how many of its units are one of ours. */
const OPTIONS = [
  ['idle', TCP_KEEPIDLE ?? TCP_KEEPALIVE, 1],
  ['interval', TCP_KEEPINTVL, 1],
  ['count', TCP_KEEPCNT, 1],
  ['user_timeout', TCP_USER_TIMEOUT, 1000],
] as const;

export function keep_alive(socket: Pick<Socket, 'setsockopt'>, options: keep_alive_options): void {
  for (const [name, , scale] of OPTIONS) {
    const value = options[name] ?? 1;
    const isWhole = scale > 1 ? Math.round(value * scale) > 0 : Number.isInteger(value);
    if (!(isWhole && value > 0 && value <= MOST[name])) {
      const what = `${scale > 1 ? 'a' : 'a whole'} number of ${name === 'count' ? 'probes' : 'seconds'}`;
      throw wrong.range(`set_keep_alive: ${name} must be ${what} to ${MOST[name]}`);
    }
  }
  socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1);
  for (const [name, option, scale] of OPTIONS) {
    const value = options[name];
    if (value !== undefined && option !== undefined) {
      socket.setsockopt(IPPROTO_TCP, option, Math.round(value * scale));
    }
  }
}
