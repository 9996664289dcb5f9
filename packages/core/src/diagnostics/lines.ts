/** NODE_DEBUG=asyncore: a line on standard error for each thing that happens to a channel. */
import { subscribe } from 'node:diagnostics_channel';
import { debuglog } from 'node:util';
import type { Address } from '@asyncore/socket';
import type {
  address_message,
  bytes_message,
  channel_message,
  close_message,
  connect_message,
  error_message,
} from './life.js';

/** An address as people write it: `127.0.0.1:7`, `[::1]:7`, or a path. */
export function written(address: Address | null): string {
  if (address === null || address.length === 0) return 'a socket without a name';
  if (typeof address === 'string') return address.replaceAll('\0', '@');
  if (address instanceof Uint8Array) return Buffer.from(address).toString('latin1');
  const [host, port] = address as [string, number];
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function counted(bytes: number): string {
  return bytes === 1 ? '1 byte' : `${bytes} bytes`;
}

/** The text of each message, after the channel's class and descriptor. */
const TOLD = {
  open: () => 'opened',
  listen: ({ address }: address_message) => `listens on ${written(address)}`,
  connecting: ({ address }: address_message) => `connects to ${written(address)}`,
  connect: ({ address }: connect_message) => `connected to ${written(address)}`,
  accept: ({ address }: address_message) => `accepted ${written(address)}`,
  receive: ({ bytes }: bytes_message) => `received ${counted(bytes)}`,
  send: ({ bytes }: bytes_message) => `sent ${counted(bytes)}`,
  error: ({ error }: error_message) => `failed: ${textOf(error)}`,
  close: ({ why, seconds, bytes_in, bytes_out }: close_message) => {
    const after = seconds === null ? '' : ` after ${seconds.toFixed(3)} s`;
    const traffic = bytes_in === null ? '' : `, ${bytes_in} bytes in, ${bytes_out} out`;
    return `closed${after}${traffic}: ${why}`;
  },
};

const debug = debuglog('asyncore');

/** Prints from now on, if the program was started with NODE_DEBUG=asyncore. */
export function print_lines(): void {
  if (!debug.enabled) return;
  for (const [name, text] of Object.entries(TOLD)) {
    subscribe(`asyncore:channel:${name}`, (message) => {
      const { channel, fd } = message as channel_message;
      debug('%s fd=%d %s', channel.constructor.name, fd, text(message as never)); // each has its own
    });
  }
}
