import { isIPv4 } from 'node:net';
import {
  BlockingIOError,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  poll,
  type Socket,
} from '@asyncore/socket';

/** select.select(rlist, wlist, [], timeout): those that can be read, and those that can be written. */
export function select(rlist: Socket[], wlist: Socket[], timeout: number): [Socket[], Socket[]] {
  const poller = new poll();
  for (const sock of new Set([...rlist, ...wlist])) {
    const reads = rlist.includes(sock) ? POLLIN : 0;
    poller.register(sock.fileno(), reads | (wlist.includes(sock) ? POLLOUT : 0));
  }
  const ready = new Map(poller.poll(timeout));
  const isReady = (events: number) => (sock: Socket) =>
    ((ready.get(sock.fileno()) ?? 0) & (events | POLLHUP | POLLERR)) !== 0;
  return [rlist.filter(isReady(POLLIN)), wlist.filter(isReady(POLLOUT))];
}

/** sock.sendall(data) of a blocking socket. It blocks: a channel has send() or push() instead. */
export function sendall(sock: Socket, data: Uint8Array, timeout: number): void {
  for (let at = 0; at < data.length; ) {
    if (select([], [sock], timeout)[1].length === 0) throw new Error('timed out');
    try {
      at += sock.send(data.subarray(at));
    } catch (error) {
      if (!(error instanceof BlockingIOError)) throw error;
    }
  }
}

/** socket.inet_aton(host) */
export function inet_aton(host: string): Buffer {
  if (!isIPv4(host)) throw new Error('illegal IP address string passed to inet_aton');
  return Buffer.from(host.split('.').map(Number));
}
