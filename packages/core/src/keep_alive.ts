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

/** The options of `set_keep_alive`. What is left out keeps the system's value. */
export interface keep_alive_options {
  /** How long the peer may be silent before it is probed, in seconds. */
  idle?: number;
  /** The time between probes, in seconds. */
  interval?: number;
  /** How many probes may stay unanswered before the connection ends. */
  count?: number;
  /** How long sent data may stay unacknowledged, in seconds (Linux; ignored elsewhere). */
  user_timeout?: number;
}

/** The most that Linux takes. */
const MOST = { idle: 32767, interval: 32767, count: 127, user_timeout: 2147483 };

/** Each option, its socket option of IPPROTO_TCP, and the factor from our unit to the system's. */
const OPTIONS = [
  ['idle', TCP_KEEPIDLE ?? TCP_KEEPALIVE, 1],
  ['interval', TCP_KEEPINTVL, 1],
  ['count', TCP_KEEPCNT, 1],
  ['user_timeout', TCP_USER_TIMEOUT, 1000],
] as const;

const NAMES = OPTIONS.map(([name]) => name);

/** Sets what is given, and that is checked already. */
export function keep_alive(socket: Pick<Socket, 'setsockopt'>, options: keep_alive_options): void {
  socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1);
  for (const [name, option, scale] of OPTIONS) {
    const value = options[name];
    if (value !== undefined && option !== undefined) {
      socket.setsockopt(IPPROTO_TCP, option, Math.round(value * scale));
    }
  }
}

/**
 * Comes before anything is set.
 *
 * @throws TypeError for an unknown option or what is no number, RangeError for a number out of range
 */
export function check_keep_alive(options: keep_alive_options): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw wrong.type(`set_keep_alive: options must be an object with ${NAMES.join(', ')}`);
  }
  for (const name of Object.keys(options)) {
    if (NAMES.includes(name as keyof keep_alive_options)) continue;
    throw wrong.type(`set_keep_alive: there is no option ${name}, only ${NAMES.join(', ')}`);
  }
  for (const [name, , scale] of OPTIONS) {
    const value: unknown = options[name];
    if (value === undefined) continue;
    const what = `${scale > 1 ? 'a' : 'a whole'} number of ${name === 'count' ? 'probes' : 'seconds'}`;
    if (typeof value !== 'number') {
      const got = value === null ? 'null' : typeof value;
      throw wrong.type(`set_keep_alive: ${name} must be ${what}: got ${got}`);
    }
    const isWhole = scale > 1 ? Math.round(value * scale) > 0 : Number.isInteger(value);
    if (!(isWhole && value > 0 && value <= MOST[name])) {
      throw wrong.range(`set_keep_alive: ${name} must be ${what} to ${MOST[name]}`);
    }
  }
}
