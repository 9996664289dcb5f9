/** For each method of Socket, arguments that are right. */
import {
  type Address,
  AF_UNIX,
  SHUT_WR,
  SO_KEEPALIVE,
  SO_TYPE,
  SOL_SOCKET,
  type Socket,
} from '@asyncore/socket';

const data = () => Buffer.from('data');
const address = (socket: Socket): Address =>
  socket.family === AF_UNIX ? '\0asyncore nobody' : ['127.0.0.1', 0];

type Method = Exclude<keyof Socket, keyof import('@asyncore/socket').Descriptor | Property>;
type Property = 'family' | 'type' | 'proto' | 'pending' | 'state' | 'unread';

export const rightArguments: Record<Method, (socket: Socket) => unknown[]> = {
  bind: (socket) => [address(socket)],
  listen: () => [5],
  accept: () => [],
  accept_ex: () => [],
  connect: (socket) => [address(socket)],
  connect_ex: (socket) => [address(socket)],
  recv: () => [10, 0],
  recv_into: () => [Buffer.alloc(10), 5, 0],
  recvfrom: () => [10, 0],
  send: () => [data(), 0],
  sendto: (socket) => [data(), 0, address(socket)],
  sendmsg: (socket) => [[data()], [], 0, address(socket)],
  recvmsg: () => [10, 100, 0],
  send_fds: (socket) => [[data()], [0], 0, address(socket)],
  recvmmsg: () => [10, 100, 0],
  sendmmsg: (socket) => [[[data(), address(socket)]], 0],
  recv_fds: () => [10, 5, 0],
  getpeercred: () => [],
  sendfile: () => [0, 0, 10],
  shutdown: () => [SHUT_WR],
  getsockopt: () => [SOL_SOCKET, SO_TYPE, 4],
  setsockopt: () => [SOL_SOCKET, SO_KEEPALIVE, 1],
  getsockname: () => [],
  getpeername: () => [],
  setblocking: () => [false],
  getblocking: () => [],
};
