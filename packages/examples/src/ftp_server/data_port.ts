import { dispatcher } from '@asyncore/core';
import type { Address, InetAddress, Socket } from '@asyncore/socket';
import { isSameHost } from './addresses.js';
import { DataChannel, type DataSettings } from './data_channel.js';
import type { Transfer } from './transfer.js';

/** What came: null when the time is over, or somebody else was there first. */
type Taken = (sock: Socket | null) => void;

/** Where the peer of a control connection may connect to, once. Anybody else shuts it. */
class PassiveListener extends dispatcher {
  #peer: InetAddress;
  #take: Taken;

  constructor(here: InetAddress, peer: InetAddress, seconds: number, take: Taken) {
    super();
    this.#peer = peer;
    this.#take = take;
    const [host, , ...scope] = here;
    this.create_server([host, 0, ...scope] as Address, { backlog: 1 });
    this.call_later(seconds, () => this.#over(null));
  }

  handle_accepted(sock: Socket, address: Address) {
    if (isSameHost(address as InetAddress, this.#peer)) {
      this.#over(sock);
    } else {
      sock.close();
      this.#over(null);
    }
  }

  handle_error() {
    this.#over(null);
  }

  #over(sock: Socket | null): void {
    this.close();
    this.#take(sock);
  }
}

/** The next data connection of a session, however it comes to be. It serves one command. */
export class DataPort {
  #passiveTime: number;
  #settings: () => DataSettings;
  #listener: PassiveListener | null = null;
  #channel: DataChannel | null = null;
  #target: { to: InetAddress; from: InetAddress } | null = null;
  /** Waits for the connection. */
  #transfer: Transfer | null = null;

  constructor(passiveTime: number, settings: () => DataSettings) {
    this.#passiveTime = passiveTime;
    this.#settings = settings;
  }

  /** Waits for `peer`; gives where. What it waited for before is forgotten. */
  listen(here: InetAddress, peer: InetAddress): InetAddress {
    this.close();
    const listener = new PassiveListener(here, peer, this.#passiveTime, (sock) => {
      if (this.#listener === listener) this.#taken(sock);
    });
    this.#listener = listener;
    return listener.getsockname() as InetAddress; // it has no other kind
  }

  #taken(sock: Socket | null): void {
    this.#listener = null;
    const transfer = this.#transfer;
    this.#transfer = null;
    if (sock === null) {
      transfer?.fail();
      return;
    }
    const channel = new DataChannel(sock, this.#settings());
    if (transfer === null) this.#channel = channel;
    else channel.begin(transfer);
  }

  /** It connects to `to`, from our address `from`, once a command says what for. */
  aim(to: InetAddress, from: InetAddress): void {
    this.close();
    this.#target = { to, from };
  }

  /** What the connection is for. It begins when that is there. */
  use(transfer: Transfer): void {
    const [channel, target] = [this.#channel, this.#target];
    this.#channel = this.#target = null;
    if (channel !== null) channel.begin(transfer);
    else if (target !== null) DataChannel.open(target.to, target.from, this.#settings(), transfer);
    else if (this.#listener !== null) this.#transfer = transfer;
    else transfer.fail();
  }

  /** Shuts what is open; a transfer that has its connection goes on. */
  close(): void {
    this.#listener?.close();
    this.#channel?.close();
    this.#listener = this.#channel = this.#target = this.#transfer = null;
  }
}
