/** The structures by which a socket joins a group. In Python they are made by hand, with struct.pack. */
import { isIPv4, isIPv6 } from 'node:net';
import { wrong } from './wrong.js';

/**
 * The value of IP_ADD_MEMBERSHIP and IP_DROP_MEMBERSHIP: `group`, and the address of the interface. '',
 * the default, leaves the choice to the system. ip(7).
 *
 *     socket.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, ip_mreq('239.1.2.3'));
 *
 * @throws TypeError for what is no numeric IPv4 address, RangeError for a group that is not of multicast
 */
export function ip_mreq(group: string, address = ''): Buffer {
  if (typeof group !== 'string' || !isIPv4(group))
    throw wrong.type("ip_mreq: group must be an IPv4 address, as '239.1.2.3'");
  if (typeof address !== 'string' || (address !== '' && !isIPv4(address))) {
    throw wrong.type("ip_mreq: address must be that of an interface, as '192.0.2.1', or ''");
  }
  const bytes = [...group.split('.'), ...(address || '0.0.0.0').split('.')].map(Number);
  if (bytes[0] >> 4 !== 14) throw wrong.range('ip_mreq: group must be from 224.0.0.0 on');
  return Buffer.from(bytes);
}

/**
 * The value of IPV6_JOIN_GROUP and IPV6_LEAVE_GROUP: `group`, and the number of the interface: the
 * `scope_id` of its addresses in `os.networkInterfaces()`. 0, the default, leaves the choice to the system. ipv6(7).
 *
 * @throws TypeError for what is no numeric IPv6 address, RangeError for a group that is not of multicast
 */
export function ipv6_mreq(group: string, index = 0): Buffer {
  if (typeof group !== 'string' || !isIPv6(group) || group.includes('%')) {
    throw wrong.type("ipv6_mreq: group must be an IPv6 address, as 'ff02::123'");
  }
  if (!Number.isInteger(index) || index < 0 || index > 0x7fffffff) {
    throw wrong.range('ipv6_mreq: index must be an integer from 0: the number of an interface');
  }
  const bytes = Buffer.alloc(20);
  bytes.set(ofIPv6(group));
  if (bytes[0] !== 0xff) throw wrong.range('ipv6_mreq: group must begin with ff');
  bytes.set(new Uint8Array(Uint32Array.of(index).buffer), 16); // in the machine's order
  return bytes;
}

/** The 16 bytes of an address that is known to be one: `ff02::1`, `::ffff:192.0.2.1`. */
function ofIPv6(address: string): number[] {
  const [head, tail] = address.split('::').map(bytesOf);
  if (tail === undefined) return head;
  return [...head, ...new Array(16 - head.length - tail.length).fill(0), ...tail];
}

function bytesOf(groups: string): number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((part) => {
    if (part.includes('.')) return part.split('.').map(Number);
    const number = Number.parseInt(part, 16);
    return [number >> 8, number & 255];
  });
}
