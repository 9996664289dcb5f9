import { spawnSync } from 'node:child_process';
import {
  AF_INET,
  AF_INET6,
  IP_ADD_MEMBERSHIP,
  IP_MULTICAST_IF,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_JOIN_GROUP,
  ip_mreq,
  ipv6_mreq,
  SO_RCVTIMEO,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { own } from './support.js';

describe('ip_mreq', () => {
  it('joins a group, from which datagrams then come', () => {
    const receiver = own(new Socket(AF_INET, SOCK_DGRAM));
    receiver.setblocking(true);
    receiver.setsockopt(SOL_SOCKET, SO_RCVTIMEO, new BigInt64Array([5n, 0n]));
    receiver.bind(['', 0]);
    receiver.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, ip_mreq('239.1.2.3', '127.0.0.1'));
    const [, port] = receiver.getsockname();
    const sender = own(new Socket(AF_INET, SOCK_DGRAM));
    sender.setsockopt(IPPROTO_IP, IP_MULTICAST_IF, Buffer.from([127, 0, 0, 1]));
    sender.sendto(Buffer.from('hello'), ['239.1.2.3', port as number]);
    expect(String(receiver.recv(100))).toBe('hello');
  });

  it('leaves the interface to the system', () => {
    expect([...ip_mreq('239.1.2.3')]).toEqual([239, 1, 2, 3, 0, 0, 0, 0]);
  });
});

describe('ipv6_mreq', () => {
  it.each(['ff02::1', 'ff02::', 'ff05:0:0:0:0:0:1:3', 'ff0e::ffff:192.0.2.1'])(
    'packs %s as Python does',
    (group) => {
      const program = `import socket, sys; sys.stdout.write(socket.inet_pton(socket.AF_INET6, sys.argv[1]).hex())`;
      const { stdout } = spawnSync('python3', ['-c', program, group], { encoding: 'utf8' });
      const packed = ipv6_mreq(group, 7);
      expect(packed.subarray(0, 16).toString('hex')).toBe(stdout);
      expect(new Uint32Array(Uint8Array.from(packed.subarray(16)).buffer)).toEqual(
        Uint32Array.of(7),
      );
    },
  );

  it('is taken by the system, where there is IPv6', (context) => {
    const socket = own(new Socket(AF_INET6, SOCK_DGRAM));
    try {
      socket.bind(['::1', 0]);
    } catch {
      context.skip('needs IPv6: the address ::1 is not there');
    }
    socket.setsockopt(IPPROTO_IPV6, IPV6_JOIN_GROUP as number, ipv6_mreq('ff01::123', 1));
  });
});

it.each([
  [() => ip_mreq('ff02::1'), "ip_mreq: group must be an IPv4 address, as '239.1.2.3'"],
  [() => ip_mreq('192.0.2.1'), 'ip_mreq: group must be from 224.0.0.0 on'],
  [
    () => ip_mreq('239.1.2.3', 'eth0'),
    "ip_mreq: address must be that of an interface, as '192.0.2.1', or ''",
  ],
  [() => ipv6_mreq('239.1.2.3'), "ipv6_mreq: group must be an IPv6 address, as 'ff02::123'"],
  [() => ipv6_mreq('::1'), 'ipv6_mreq: group must begin with ff'],
  [
    () => ipv6_mreq('ff02::1', 'eth0' as never),
    'ipv6_mreq: index must be an integer from 0: the number of an interface',
  ],
])('refuses what is no group: %#', (call, message) => {
  expect(call).toThrow(expect.objectContaining({ message }));
});
