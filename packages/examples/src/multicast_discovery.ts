/**
 * Finds the others of its kind in the local network, by multicast.
 *
 *     multicast_discovery [--name NAME] [--group 239.255.42.98] [--port 4298]
 *                         [--interface 0.0.0.0] [--every 1]
 *
 * Every --every seconds each sends its name to the group. It prints who has come, and who was silent
 * three times in a row. Several on one machine share the port (SO_REUSEADDR; SO_REUSEPORT on
 * macOS) and hear each other (IP_MULTICAST_LOOP). What is sent does not leave the network
 * (IP_MULTICAST_TTL is 1). Try it with two of them, in two terminals.
 */
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import {
  AF_INET,
  type InetAddress,
  IP_ADD_MEMBERSHIP,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IPPROTO_IP,
  OSError,
  SO_REUSEPORT,
  SOCK_DGRAM,
  SOL_SOCKET,
} from '@asyncore/socket';

const LONGEST_NAME = 64;
/** Anybody in the network can claim to be any number of peers. */
const MOST_PEERS = 1000;
const GREETING = 'asyncore here: ';

interface Peer {
  readonly where: string;
  heard: number;
}

export interface DiscoverySettings {
  readonly name: string;
  readonly group: string;
  readonly port: number;
  /** The address of the network card to use; 0.0.0.0 leaves it to the system. */
  readonly card: string;
  /** Seconds from one greeting to the next. */
  readonly every: number;
}

export class Discovery extends dispatcher {
  readonly #settings: DiscoverySettings;
  readonly #report: (line: string) => void;
  readonly #peers = new Map<string, Peer>();

  constructor(settings: DiscoverySettings, report: (line: string) => void) {
    super();
    this.#settings = settings;
    this.#report = report;
    this.create_socket(AF_INET, SOCK_DGRAM);
    this.set_reuse_addr();
    if (process.platform === 'darwin') this.setsockopt(SOL_SOCKET, SO_REUSEPORT as number, 1);
    this.bind([settings.group, settings.port]); // and so nothing but the group's comes
    this.#join();
    this.call_every(settings.every, () => this.#look());
    this.#greet();
  }

  #join(): void {
    const card = Buffer.from(bytesOf(this.#settings.card));
    // struct ip_mreq: the group, then the card. ip(7)
    const membership = Buffer.from([...bytesOf(this.#settings.group), ...card]);
    this.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, membership);
    this.setsockopt(IPPROTO_IP, IP_MULTICAST_IF, card);
    this.setsockopt(IPPROTO_IP, IP_MULTICAST_TTL, 1);
    this.setsockopt(IPPROTO_IP, IP_MULTICAST_LOOP, 1);
  }

  writable() {
    return false;
  }

  handle_read() {
    const [data, sender] = this.recvfrom(GREETING.length + LONGEST_NAME + 1);
    const text = data.toString();
    // Only names that can be printed as they are.
    const name = text.slice(GREETING.length);
    if (!text.startsWith(GREETING) || !isName(name)) return;
    if (name === this.#settings.name) return;
    const [host, port] = sender as InetAddress;
    this.#heardOf(name, `${host}:${port}`);
  }

  #heardOf(name: string, where: string): void {
    const known = this.#peers.get(name);
    if (known !== undefined) {
      known.heard = performance.now();
    } else if (this.#peers.size < MOST_PEERS) {
      this.#peers.set(name, { where, heard: performance.now() });
      this.#report(`+ ${name} at ${where}`);
      this.#greet(); // so that it need not wait for our turn
    }
  }

  #look(): void {
    const longAgo = performance.now() - 3 * this.#settings.every * 1000;
    for (const [name, { where, heard }] of this.#peers) {
      if (heard >= longAgo) continue;
      this.#peers.delete(name);
      this.#report(`- ${name} at ${where}`);
    }
    this.#greet();
  }

  #greet(): void {
    const { group, port, name } = this.#settings;
    try {
      this.sendto(Buffer.from(GREETING + name), [group, port]);
    } catch (error) {
      // The network is down, or full: there is a next time.
      if (!(error instanceof OSError)) throw error;
    }
  }
}

function isName(text: string): boolean {
  return text.length <= LONGEST_NAME && /^[\w.-]+$/.test(text);
}

function bytesOf(address: string): number[] {
  return address.split('.').map(Number);
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      name: { type: 'string', default: `${hostname()}-${process.pid}` },
      group: { type: 'string', default: '239.255.42.98' },
      port: { type: 'string', default: '4298' },
      interface: { type: 'string', default: '0.0.0.0' },
      every: { type: 'string', default: '1' },
    },
  });
  const { name, group, interface: card } = values;
  const every = Number(values.every);
  if (!(every > 0)) throw new Error('--every must be a number of seconds');
  if (!isName(name)) {
    throw new Error('--name must have 1 to 64 letters, digits, dots, dashes and underscores');
  }
  const discovery = new Discovery(
    { name, group, port: Number(values.port), card, every },
    console.log,
  );
  const [, port] = discovery.getsockname() as InetAddress;
  console.log(`${name} looks for others in ${group}:${port}`);
  await loop();
}
