/** A client of ftp_server that speaks FTP by hand. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { Client } from './service.js';

const REPLY = /^\d{3} .*\r\n/gm;

/** The last line of each answer. */
function replies(text: string): string[] {
  return (text.match(REPLY) ?? []).map((line) => line.trimEnd());
}

/** The codes of what was answered to `text`, which is said at once. */
export async function codes(port: number, text: string): Promise<string> {
  const client = new Client(port);
  client.say(`${text}QUIT\r\n`);
  return codesIn(await client.until(/never/));
}

export function codesIn(text: string): string {
  return replies(text)
    .map((line) => line.slice(0, 3))
    .join(' ');
}

export const LOGIN = 'USER user\r\nPASS secret\r\n';

export class FTPSession {
  readonly client: Client;
  #heard = 0;

  private constructor(port: number) {
    this.client = new Client(port);
  }

  /** Logged in, with binary transfers. */
  static async open(port: number): Promise<FTPSession> {
    const session = new FTPSession(port);
    await session.reply();
    for (const line of ['USER user', 'PASS secret', 'TYPE I']) await session.ask(line);
    return session;
  }

  /** The next answer, or what came before the end. */
  async reply(): Promise<string> {
    this.#heard += 1;
    const { client } = this;
    while (replies(client.text).length < this.#heard && !client.closed) {
      await new Promise<void>((resolve) => {
        const heard = () => {
          client.socket.off('data', heard).off('close', heard);
          resolve();
        };
        client.socket.on('data', heard).on('close', heard);
      });
    }
    return replies(client.text)[this.#heard - 1] ?? '';
  }

  ask(line: string): Promise<string> {
    this.client.say(`${line}\r\n`);
    return this.reply();
  }

  /** The port that the server waits at. */
  async passive(): Promise<number> {
    const answer = await this.ask('EPSV');
    return Number(/\|(\d+)\|\)$/.exec(answer)?.[1]);
  }

  /** What `command` sends, and its last answer. */
  async get(command: string): Promise<[data: Buffer, answer: string]> {
    const socket = await this.connection();
    const data = bytes(socket);
    const first = await this.ask(command);
    if (!first.startsWith('1')) return [Buffer.alloc(0), first];
    return [await data, await this.reply()];
  }

  /** Gives `data` to `command`; its last answer. */
  async put(command: string, data: Buffer): Promise<string> {
    const socket = await this.connection();
    const first = await this.ask(command);
    if (!first.startsWith('1')) return first;
    socket.end(data);
    return this.reply();
  }

  /** A data connection, from another of this machine's addresses if one is given. */
  async connection(localAddress?: string): Promise<Socket> {
    return connected(await this.passive(), localAddress);
  }

  /** A port that the server may connect to, and the first connection that it gets. */
  async listen(): Promise<{ port: number; accepted: Promise<Socket> }> {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const accepted = once(server, 'connection').then(([socket]) => {
      onTestFinished(() => void socket.destroy());
      return socket;
    });
    return { port: (server.address() as { port: number }).port, accepted };
  }
}

/** A connection, whether it comes to be or not. */
export async function connected(port: number, localAddress?: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve);
    socket.once('close', () => resolve());
  });
  return socket;
}

/** All that comes. */
export async function bytes(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  if (!socket.closed) await once(socket, 'close');
  return Buffer.concat(chunks);
}
