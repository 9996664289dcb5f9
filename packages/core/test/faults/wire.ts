/** Connections over a wire that loses, delays, doubles and reorders packets, or is cut: wire.py. */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AF_UNIX, SOCK_SEQPACKET, Socket, socketpair } from '@asyncore/socket';
import { accepted, own, patient } from '../support.js';

const command = [
  ...['--user', '--map-root-user', '--net', '--kill-child'],
  ...['python3', fileURLToPath(new URL('wire.py', import.meta.url))],
];

/** For the title of tests that need one: empty, or how to make them run. */
export const unable =
  spawnSync('unshare', [...command, '--check']).status === 0
    ? ''
    : ' (runs on Linux where root, or a user who may make namespaces, can open /dev/net/tun: apt-get install iproute2 python3; modprobe tun)';

/** Parts of 1, or seconds. Jitter is the most by which one packet is later than another. */
interface Quality {
  loss?: number;
  twice?: number;
  delay?: number;
  jitter?: number;
}

export class Wire {
  #control: Socket;

  constructor() {
    const [ours, theirs] = socketpair(AF_UNIX, SOCK_SEQPACKET);
    this.#control = patient(own(ours), 10n); // its closing ends the program
    spawn('unshare', command, {
      env: { ...process.env, LD_PRELOAD: '' }, // no sanitizers for Python
      stdio: ['ignore', 'inherit', 'inherit', theirs.fileno()],
    });
    theirs.close();
    this.set({});
  }

  set(quality: Quality): void {
    this.#ask({ quality });
  }

  /** From now on nothing arrives, and nobody is told. */
  cut(): void {
    this.set({ loss: 1 });
  }

  /** Takes the device itself down, or up again. */
  link(state: 'down' | 'up'): void {
    this.#ask({ ip: `link set wire ${state}` });
  }

  /** A new TCP socket that is at this wire. */
  socket(): Socket {
    const [fd] = this.#ask({ socket: true });
    return own(Socket.from_fd(fd));
  }

  listener(): [door: Socket, port: number] {
    const door = this.socket();
    door.bind(['10.0.0.1', 0]);
    door.listen();
    return [door, Number(door.getsockname()[1])];
  }

  /** The two ends of a connection over the wire. */
  connection(): [Socket, Socket] {
    const [door, port] = this.listener();
    const ours = this.socket();
    ours.connect_ex(['10.0.0.2', port]);
    const theirs = accepted(door);
    door.close();
    return [ours, theirs];
  }

  #ask(order: object): number[] {
    this.#control.send(Buffer.from(JSON.stringify(order)));
    const [, fds] = this.#control.recv_fds(16, 1);
    return fds;
  }
}
