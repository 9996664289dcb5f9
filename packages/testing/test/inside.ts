/** What only these tests may see of a network. */
import { clock } from '@asyncore/socket/kernel';
import type { network } from '@asyncore/testing';
import type { Driver } from '../dist/driver.js';
import type { Kernel } from '../dist/kernel/kernel.js';
import { Tcp } from '../dist/kernel/tcp.js';

interface Inside {
  readonly kernel: Kernel;
  readonly driver: Driver;
}

export function inside(net: network): Inside {
  return net as unknown as Inside; // marked as internal, so that the published types have it not
}

/** The simulated socket of a channel. */
export function tcpOf(net: network, channel: { fileno(): number }): Tcp {
  const file = inside(net).kernel.file(channel.fileno());
  if (file instanceof Tcp) return file;
  throw new Error(`${channel.fileno()} is no TCP socket`);
}

/** Resolves after so many seconds of virtual time. */
export function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, seconds * 1000));
}

export function later(milliseconds: number, callback: () => void): void {
  clock.setTimeout(callback, milliseconds);
}
