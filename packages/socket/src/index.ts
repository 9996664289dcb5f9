/// <reference types="node" preserve="true" />
export {
  type Address,
  family_of,
  getaddrinfo,
  type InetAddress,
  is_resolved,
  resolve,
} from './address.js';
export { type AncillaryData, CMSG_SPACE, type ReceivedAncillaryData } from './ancillary.js';
export * from './constants.js';
export type { Datagram, ReceivedDatagram } from './datagrams.js';
export {
  close,
  Descriptor,
  dup,
  get_blocking,
  is_socket,
  open,
  pipe,
  pread,
  read,
  set_blocking,
  unread,
  write,
} from './descriptor.js';
export { epoll } from './epoll.js';
export { kqueue } from './kqueue.js';
export { ip_mreq, ipv6_mreq } from './multicast.js';
export { BlockingIOError, errno, gaierror, OSError } from './os_error.js';
export { before_release } from './owners.js';
export { poll } from './poll.js';
export type { Poller } from './poller.js';
export { select } from './select.js';
export { type PeerCredentials, Socket } from './socket.js';
export { socketpair } from './socketpair.js';
export { tcp_traffic, type traffic } from './tcp_traffic.js';
export { NOTICE, state_of, type Transport, unread_of } from './transport.js';
export { roomForBatch } from './waiting.js';
export { LookAgain } from './wakeup/look_again.js';
export { new_wakeup, use_wakeup } from './wakeup/use_wakeup.js';
export {
  BEFORE_WAITING,
  NEXT_TURN,
  NOTHING,
  type Pending,
  type Wakeup,
  type WakeupFactory,
} from './wakeup/wakeup.js';
export { wrong } from './wrong.js';
