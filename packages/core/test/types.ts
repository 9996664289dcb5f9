/**
 * What the types allow and what they refuse. Nothing here runs: the compiler is the test, which
 * fails where an `@ts-expect-error` finds no error.
 */
import {
  type Address,
  type channel,
  type channel_map,
  close_all,
  compact_traceback,
  dispatcher,
  dispatcher_with_send,
  type frame,
  loop,
  type loop_options,
  poll,
  poll2,
  read,
  readwrite,
  socket_map,
  type Transport,
} from '@asyncore/core';
import { type Socket, socketpair } from '@asyncore/socket';

export class EveryHandler extends dispatcher {
  override readable(): boolean {
    return true;
  }
  override writable(): boolean {
    return false;
  }
  override handle_read(): void {
    const data: Buffer = this.recv(8192);
    const sent: number = this.send(data);
    this.log_info(sent, 'warning');
  }
  override handle_write(): void {}
  override handle_expt(): void {}
  override handle_connect(): void {}
  override handle_connect_error(error: unknown): void {
    throw error;
  }
  override handle_accept(): void {
    const pair = this.accept();
    if (pair === null) return;
    const [sock, addr]: [Socket, Address] = pair;
    this.log(`${sock.fileno()} ${addr}`);
  }
  override handle_accepted(sock: Socket, addr: Address): void {
    new EveryHandler(sock).addr = addr;
  }
  override handle_eof(): void {}
  override handle_close(): void {}
  override handle_error(error: unknown): void {
    const [[file, name, line]]: [frame, ...unknown[]] = compact_traceback(error);
    this.log_info([file, name, line].join());
  }
}

export class AsyncHandlers extends dispatcher_with_send {
  override async handle_read(): Promise<void> {
    await Promise.resolve();
    this.send(this.recv(10));
  }
  override async handle_accepted(sock: Socket): Promise<void> {
    await Promise.resolve(sock);
  }
  override async handle_close(): Promise<void> {}
  override async handle_error(error: unknown): Promise<void> {
    await Promise.reject(error);
  }
}

/** As someone who ports Python writes it, without `override` and with fewer parameters. */
export class Ported extends dispatcher {
  handle_accepted(sock: Socket) {
    sock.close();
  }
  handle_error() {}
  handle_read = () => {};
}

export class Wrong extends dispatcher {
  // @ts-expect-error The connection comes first, then its address.
  override handle_accepted(_addr: Address, _sock: Socket): void {}
  // @ts-expect-error Nobody passes a handler the data.
  override handle_read(_data: Buffer): void {}
  // @ts-expect-error A predicate answers at once.
  override async readable(): Promise<boolean> {
    return true;
  }
}

export function calls(): Promise<void>[] {
  const options: loop_options = { timeout: 1, use_poll: true, map: socket_map, count: 1 };
  // @ts-expect-error The timeout is a number of seconds.
  loop('30');
  // @ts-expect-error There is no such option.
  loop({ timeouts: 30 });
  // @ts-expect-error Arguments come by position or by name.
  loop({ timeout: 30 }, true);
  // @ts-expect-error A map's keys are descriptors.
  loop(30, true, new Map<string, channel>());
  return [loop(), loop(30), loop(30, true, socket_map, 5), loop(null, null, null), loop(options)];
}

export function maps(map: channel_map): void {
  poll(0, map);
  poll2(null);
  close_all(map, true);
  close_all();
  const known: channel | undefined = map.get(3);
  known?.handle_read_event();
  // @ts-expect-error No channel knows how to be closed only by its descriptor.
  map.set(3, 3);
}

export function ducks(map: channel_map): void {
  const object = {
    readable: () => 1,
    writable: () => '',
    handle_read_event: async () => {},
    handle_write_event() {},
    handle_expt_event() {},
    handle_close() {},
    handle_error(error: unknown) {
      throw error;
    },
    more: 'than is needed',
  };
  map.set(3, object);
  read(object);
  readwrite(object, 1);
  const { handle_close, ...lacking } = object;
  handle_close();
  // @ts-expect-error handle_close is missing.
  map.set(4, lacking);
}

export function sockets(channel: dispatcher): unknown[] {
  const number: number = channel.getsockopt(1, 2);
  const bytes: Buffer = channel.getsockopt(1, 2, 8);
  // @ts-expect-error There may be no socket.
  channel.socket.fileno();
  // @ts-expect-error A string has no bytes before an encoding is chosen.
  channel.send('text');
  // @ts-expect-error An address is a tuple, or a path.
  channel.connect('host', 80);
  // @ts-expect-error A port is a number.
  channel.connect(['host', '80']);
  channel.connect(['host', 80]);
  channel.connect(['::1', 80, 0, 0]);
  channel.connect('/a/path');
  channel.sendto(bytes, ['host', 80]);
  channel.sendto(bytes, 0, ['host', 80]);
  return [number, bytes];
}

/** A dispatcher over something else than a socket. */
export class Tunnel extends dispatcher<Transport & { secret: string }> {
  override handle_read(): void {
    this.log(this.socket?.secret);
  }
}
new Tunnel({
  secret: 'x',
  fileno: () => 3,
  recv: () => Buffer.alloc(0),
  send: (data) => data.byteLength,
  getsockopt: () => 0,
  close: () => {},
});
// @ts-expect-error It lacks recv, for one.
new Tunnel({ secret: 'x', fileno: () => 3 });
new dispatcher(socketpair()[0], new Map());
// @ts-expect-error A descriptor is not a socket.
new dispatcher(3);
