/** TLS as a kind of transport: the channel's end is @asyncore/tls, the test's end node:tls. */
import { once } from 'node:events';
import { Socket as NodeSocket } from 'node:net';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import { dispatcher, loop, type Transport } from '@asyncore/core';
import { AF_INET6, SHUT_RD, SHUT_WR, SO_LINGER, SOL_SOCKET, type Socket } from '@asyncore/socket';
import { type tls_options, tls_transport } from '@asyncore/tls';
import { beforeEach } from 'vitest';
import { hasOpenssl, LOCAL, NO_OPENSSL } from './certificates.js';
import type { Kind } from './transport_kinds.js';

const server: tls_options = { key: LOCAL.key, cert: LOCAL.cert, isServer: true };
const client: tls_options = { ca: LOCAL.cert, servername: 'localhost', isServer: false };
const [serverContext, clientContext] = hasOpenssl
  ? [
      createSecureContext({ key: LOCAL.key, cert: LOCAL.cert }),
      createSecureContext({ ca: LOCAL.cert }),
    ]
  : [];
const NOTHING = Buffer.alloc(0);

// All tests of the file that stands on this kind.
if (!hasOpenssl) beforeEach(({ skip }) => skip(NO_OPENSSL));

function transportOf(sock: Socket, isServer: boolean, told = () => {}): tls_transport {
  const options = isServer ? server : client;
  const made = new tls_transport(sock, options, isServer, 'localhost', {
    secure: told,
    failed: () => {},
  });
  made.start([], NOTHING);
  return made;
}

/** What a test has in its hand: the methods of a Socket that tests call, whose `recv` gives a promise. */
class Peer {
  readonly #raw: NodeSocket;
  #tls: TLSSocket | null = null;
  #held: Buffer = NOTHING;
  #isBlocking = true;
  #isReset = false;
  #error: unknown = null;
  #unsent = 0;
  #sent = () => {};

  constructor(socket: Socket, isServer: boolean) {
    const fd = socket.detach();
    this.#raw = new NodeSocket({ fd, readable: true, writable: true, allowHalfOpen: true });
    if (isServer) {
      const tls = new TLSSocket(this.#raw, { isServer: true, secureContext: serverContext });
      tls.on('error', (error) => this.#failed(error));
      tls.on('secure', () => this.#secure(tls));
    } else {
      const tls = connect({
        socket: this.#raw,
        secureContext: clientContext,
        servername: 'localhost',
      });
      tls.on('error', (error) => this.#failed(error));
      tls.on('secureConnect', () => this.#secure(tls));
    }
  }

  #failed(error: unknown): void {
    this.#error ??= error;
  }

  #secure(tls: TLSSocket): void {
    this.#tls = tls;
    tls.allowHalfOpen = true;
    tls.on('error', (error) => this.#failed(error));
  }

  get isSecure(): boolean {
    return this.#tls !== null;
  }

  get #known(): TLSSocket {
    if (this.#tls === null) throw new Error('no handshake yet');
    return this.#tls;
  }

  fileno(): number {
    return this.#raw.destroyed ? -1 : 0;
  }

  setblocking(isBlocking: boolean): void {
    this.#isBlocking = isBlocking;
  }

  setsockopt(level: number, option: number): void {
    if (level === SOL_SOCKET && option === SO_LINGER) this.#isReset = true;
  }

  send(data: Uint8Array, flags = 0): number {
    if (flags !== 0) throw new Error('TLS has no flags');
    this.#unsent += 1;
    this.#known.write(data, () => {
      this.#unsent -= 1;
      if (this.#unsent === 0) this.#sent();
    });
    return data.length;
  }

  recv(size: number): Buffer | Promise<Buffer> {
    const now = this.#take(size);
    if (now !== null) return now;
    if (!this.#isBlocking) throw Object.assign(new Error('recv EAGAIN'), { code: 'EAGAIN' });
    return this.#next(size);
  }

  #take(size: number): Buffer | null {
    const tls = this.#known;
    if (this.#held.length === 0) this.#held = (tls.read() as Buffer | null) ?? NOTHING;
    if (this.#held.length === 0 && this.#error !== null) throw this.#error;
    if (this.#held.length === 0 && !tls.readableEnded && !tls.destroyed) return null;
    const data = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(data.length);
    return data;
  }

  async #next(size: number): Promise<Buffer> {
    for (;;) {
      const data = this.#take(size);
      if (data !== null) return data;
      await new Promise(setImmediate);
    }
  }

  shutdown(how: number): void {
    if (how === SHUT_WR) this.#known.end();
    else if (how === SHUT_RD) this.#known.resume();
    else this.close();
  }

  close(): void {
    if (this.#tls === null || this.#isReset) this.#reset();
    else if (!this.#tls.destroyed) void this.#leave(this.#tls);
  }

  /** What was sent before goes first. */
  #reset(): void {
    const end = () => {
      try {
        this.#raw.resetAndDestroy();
      } catch {
        this.#raw.destroy(); // a Unix socket
      }
    };
    if (this.#tls === null) end();
    else if (this.#unsent === 0) end();
    else this.#sent = end;
  }

  async #leave(tls: TLSSocket): Promise<void> {
    tls.on('error', () => {});
    if (!tls.writableFinished) {
      tls.end();
      await once(tls, 'finish').catch(() => {});
    }
    tls.destroy();
  }
}

export const tls: Kind = {
  over: (sock, isServer) => transportOf(sock, isServer),

  async both(ours: Socket, theirs: Socket): Promise<[Transport, Transport]> {
    const [near, isNear] = beginning(ours, true);
    const [far, isFar] = beginning(theirs, false);
    await secured([near, far], () => isNear() && isFar());
    return [near, far];
  },

  async ends(ours: Socket, theirs: Socket): Promise<[Transport, Socket]> {
    const isServer = ours.family !== AF_INET6;
    const [near, isNear] = beginning(ours, isServer);
    const far = new Peer(theirs, !isServer);
    await secured([near], () => isNear() && far.isSecure);
    return [near, far as unknown as Socket];
  },
};

function beginning(sock: Socket, isServer: boolean): [made: Transport, isSecure: () => boolean] {
  let isSecure = false;
  const made = transportOf(sock, isServer, () => {
    isSecure = true;
  });
  return [made, () => isSecure];
}

/** Runs a loop until the handshake is done and the tickets have come. */
async function secured(transports: Transport[], isDone: () => boolean): Promise<void> {
  const map = new Map();
  const channels = transports.map((transport) => {
    const channel = new dispatcher<Transport>(transport, map);
    channel.handle_read = () => {};
    return channel;
  });
  while (!isDone()) await loop({ map, timeout: 0.01, count: 1 });
  await loop({ map, timeout: 0, count: 5 });
  for (const channel of channels) channel.del_channel();
}
