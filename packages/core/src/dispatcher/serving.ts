import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  family_of,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  is_resolved,
  SO_REUSEPORT,
  SOL_SOCKET,
  type Transport,
  wrong,
} from '@asyncore/socket';
import type { dispatcher } from './dispatcher.js';

/** The options of `create_server`. */
export interface server_options {
  /** AF_INET or AF_INET6. Default: the family of a numeric host; for a name AF_INET, or AF_INET6 with `dualstack`. */
  family?: number;
  /** Whether an IPv6 socket accepts IPv4 connections too. Their addresses read `::ffff:192.0.2.1`. Default false. */
  dualstack?: boolean;
  /** Whether several sockets may listen on the port and share its connections (SO_REUSEPORT). Default false. */
  reuse_port?: boolean;
  /** How many connections may wait to be accepted, as in `listen`. Default: as many as the system allows. */
  backlog?: number;
}

const OPTIONS = ['family', 'dualstack', 'reuse_port', 'backlog'];

/** Does what `dispatcher.create_server` promises. */
export function serve(
  channel: dispatcher<Transport>,
  address: Address,
  options: server_options,
): void {
  const family = familyOf(address, options);
  const { dualstack = false, reuse_port = false, backlog } = options;
  if (backlog !== undefined && !(Number.isInteger(backlog) && backlog >= 0)) {
    throw wrong.range('create_server: backlog must be an integer from 0');
  }
  if (reuse_port && SO_REUSEPORT === undefined) {
    throw wrong.range('create_server: this system has no reuse_port');
  }
  channel.create_socket(family);
  try {
    if (family !== AF_UNIX) channel.set_reuse_addr();
    if (reuse_port) channel.setsockopt(SOL_SOCKET, SO_REUSEPORT as number, 1); // checked above
    if (family === AF_INET6) channel.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, dualstack ? 0 : 1);
    channel.bind(address);
    channel.listen(backlog);
  } catch (error) {
    const { socket } = channel;
    channel.del_channel();
    channel.socket = null;
    socket?.close();
    throw error;
  }
}

/** The family to use. Checks the arguments too. */
function familyOf(address: Address, options: server_options): number {
  for (const name of Object.keys(options)) {
    if (OPTIONS.includes(name)) continue;
    throw wrong.type(`create_server: there is no option ${name}, only ${OPTIONS.join(', ')}`);
  }
  const { family, dualstack = false } = options;
  if (family !== undefined && ![AF_INET, AF_INET6, AF_UNIX].includes(family)) {
    throw wrong.range('create_server: family must be AF_INET, AF_INET6 or AF_UNIX');
  }
  const own = Array.isArray(address) ? family_of(String(address[0])) : AF_UNIX;
  const chosen = family ?? own ?? (dualstack ? AF_INET6 : AF_INET);
  is_resolved(chosen, address, 'bind'); // throws unless it is an address of that family
  if (dualstack && chosen !== AF_INET6) {
    throw wrong.range('create_server: dualstack needs an address of AF_INET6, as ::');
  }
  return chosen;
}
