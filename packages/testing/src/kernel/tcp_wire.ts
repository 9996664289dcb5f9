/** What happens between the two ends of a TCP connection. The world decides how long each thing takes. */
import { ByteQueue } from './byte_queue.js';
import { shownName } from './names.js';
import { BOTH, E, RCV } from './numbers.js';
import { shownBytes } from './shown_bytes.js';
import type { Tcp } from './tcp.js';

/** The most bytes that arrive at once: the size of a segment on the loopback interface. */
const SEGMENT = 65483;
/** How long Linux tries to connect, and to deliver data, in milliseconds. */
const CONNECTING = 127_000;
const RETRYING = 924_600;

/** Sends the SYN of `client`, again and again if nobody answers. */
export function knock(client: Tcp, wait = 1000, since = client.kernel.now): void {
  const { kernel, attempts, remote } = client;
  const { world } = kernel;
  const isGivenUp = () => client.attempts !== attempts || client.state !== 'connecting';
  kernel.in(world.latency('SYN'), () => {
    if (remote === null || isGivenUp()) return;
    const { host, port } = remote;
    const listener = kernel.tcp.at(remote, (socket) => socket.isListening);
    const isFull = listener !== undefined && listener.newcomers.length > listener.backlog;
    if (world.isBlackHole(host, port) || (isFull && !world.isRefused(host, port))) {
      if (kernel.now - since > CONNECTING) client.fail(E.ETIMEDOUT);
      else kernel.in(wait, () => isGivenUp() || knock(client, 2 * wait, since));
    } else if (listener === undefined || world.isRefused(host, port)) {
      kernel.in(world.latency('RST'), () => isGivenUp() || client.fail(E.ECONNREFUSED));
    } else {
      answer(client, listener);
    }
  });
}

function answer(client: Tcp, listener: Tcp): void {
  const { kernel, attempts } = client;
  const server = listener.newEnd();
  server.local = client.remote;
  server.remote = client.local;
  server.state = 'established';
  server.attempt = 'connected';
  server.sendRoom = listener.sendRoom;
  server.receiveRoom = listener.receiveRoom;
  server.options.copyFrom(listener.options);
  server.resetsOnClose = listener.resetsOnClose;
  server.listener = listener;
  server.peer = client;
  client.peer = server;
  kernel.in(kernel.world.latency('SYN-ACK'), () => {
    if (client.attempts !== attempts || client.state !== 'connecting') return; // closed meanwhile
    client.state = 'established';
    if (client.remote !== null) client.note(`is connected to ${shownName(client.remote)}`);
    client.changed();
    move(client);
    server.arrival = kernel.in(kernel.world.latency('ACK'), () => arrive(server));
  });
}

/** The new connection waits to be accepted. */
function arrive(server: Tcp): void {
  const { arrival, listener } = server;
  if (arrival === null || listener === null) return;
  arrival.cancelled = true;
  server.arrival = null;
  if (!listener.isListening) {
    reset(server);
    return;
  }
  if (server.remote !== null) {
    listener.note(`has a connection waiting, from ${shownName(server.remote)}`);
  }
  listener.newcomers.push(server);
  listener.changed();
}

/** Puts what `from` has sent on its way, if it is not yet. */
export function move(from: Tcp): void {
  const to = from.peer;
  if (from.isMoving || to === null || from.state === 'connecting') return;
  const window = to.isOrphan ? 1 : to.receiveRoom - to.input.length;
  const { length } = from.output;
  const isDue = length > 0 ? window > 0 : from.fin === 'queued';
  if (!isDue) return;
  const { kernel } = from;
  from.isMoving = true;
  kernel.in(kernel.world.latency(length > 0 ? 'data' : 'FIN'), () => {
    from.isMoving = false;
    if (from.peer !== to) return; // reset meanwhile
    if (isLost(from)) return;
    deliver(from, to);
    move(from);
  });
}

/** Whether the network has lost the data. Then it is sent again later, for a quarter of an hour. */
function isLost(from: Tcp): boolean {
  const { kernel, local, remote } = from;
  const isSwallowed = [local, remote].some(
    (name) => name !== null && kernel.world.isBlackHole(name.host, name.port),
  );
  if (!isSwallowed) {
    from.lostSince = -1;
    return false;
  }
  if (from.lostSince < 0) from.lostSince = kernel.now;
  const lost = kernel.now - from.lostSince;
  if (lost >= RETRYING) {
    const { peer } = from;
    die(from, E.ETIMEDOUT);
    if (peer !== null) peer.isMoving = true; // nothing that the other end sends arrives any more
    return true;
  }
  from.isMoving = true;
  kernel.in(Math.min(Math.max(200, lost), RETRYING - lost), () => {
    from.isMoving = false;
    if (from.peer !== null && !isLost(from)) move(from);
  });
  return true;
}

function deliver(from: Tcp, to: Tcp): void {
  const { kernel } = from;
  if (to.arrival !== null) arrive(to); // data carries the ACK
  if (from.output.length > 0) {
    if (to.isOrphan) {
      from.note('has sent to a closed socket');
      const flying = to.isMoving ? to.output : new ByteQueue();
      to.output = new ByteQueue();
      to.peer = null;
      to.state = 'closed';
      kernel.in(kernel.world.latency('RST'), () => {
        arriveBeforeReset(flying, from);
        gotReset(from);
      });
      return;
    }
    if (to.fin !== 'none' && to.shut & RCV && !to.atEnd) {
      // The program has ended both directions.
      if (announce(from, to)) to.urgent.arrived(from.urgentByte);
      kernel.in(kernel.world.latency('RST'), () => gotReset(from));
      gotReset(to);
      return;
    }
    const most = Math.min(from.output.length, to.receiveRoom - to.input.length, SEGMENT);
    if (most <= 0) return;
    const cut = most > 1 ? kernel.world.choose(most, 'cut') : 0;
    announce(from, to);
    carry(from.output, to, cut > 0 ? cut : most);
    from.changed();
  } else if (from.fin === 'queued') {
    from.fin = 'arrived';
    to.shut |= RCV;
    to.atEnd = true;
    to.note('gets FIN');
    to.changed();
    from.endIfOver();
    to.endIfOver();
  }
}

/** Announces to `to` that urgent data are on the way. Returns whether there are any. */
function announce(from: Tcp, to: Tcp): boolean {
  if (from.urgentEnd <= from.output.start) return false;
  to.urgent.announce(from.urgentEnd - 1);
  return true;
}

function carry(output: ByteQueue, to: Tcp, count: number): void {
  output.skip(count, to.input);
  to.urgent.look();
  if (to.kernel.world.note) to.note(`gets ${shownBytes(to.input.last(count))}`);
  to.changed();
}

/**
 * `from` sends RST. Data that fits into the window arrives before it; data that was not sent yet is lost.
 */
export function reset(from: Tcp): void {
  const { kernel, peer: to, isMoving: isFlying } = from;
  const flying = from.output;
  from.output = new ByteQueue();
  if (to !== null && to.peer === from) {
    from.note('sends RST');
    kernel.in(kernel.world.latency('RST'), () => {
      if (to.peer !== from) return;
      if (isFlying && !to.isOrphan && to.state !== 'closed') arriveBeforeReset(flying, to);
      gotReset(to);
    });
  }
  from.isMoving = true; // none of its output moves any more
  if (from.arrival !== null) from.arrival.cancelled = true;
  from.arrival = null;
}

/** Delivers the data that was on its way before a reset, unless it is lost. */
function arriveBeforeReset(flying: ByteQueue, to: Tcp): void {
  const count = Math.min(flying.length, to.receiveRoom - to.input.length);
  if (count <= 0 || to.state !== 'established') return;
  if (to.kernel.world.choose(2, 'lost before the reset') === 0) carry(flying, to, count);
}

function gotReset(socket: Tcp): void {
  if (socket.state === 'closed') return;
  if (socket.arrival !== null) arrive(socket);
  socket.note('gets RST');
  die(socket, socket.atEnd ? E.EPIPE : E.ECONNRESET);
}

function die(socket: Tcp, error: number): void {
  socket.error = error;
  socket.state = 'closed';
  socket.shut = BOTH;
  socket.output.clear();
  socket.peer = null;
  socket.changed();
}
