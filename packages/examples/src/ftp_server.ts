/**
 * An FTP server: a folder that clients read and write, with TLS (FTPS) and without.
 *
 *     ftp_server --root FOLDER [--host HOST] [--port 2121] [--user USER --password PASSWORD]
 *                [--cert FILE --key FILE [--tls] [--require-tls]] [--timeout 300]
 *                [--connections 500]
 *
 * With a certificate it offers AUTH TLS, or speaks TLS from the start with --tls. Without a user anybody
 * may read, as anonymous, and nobody write. Without --host it listens on 127.0.0.1 and ::1.
 *
 * Commands come in lines over one connection, an async_chat; what they ask for goes over others, of
 * which each serves one command. A transfer ends in many ways (the end, ABOR, a reset, a full disk, a
 * silent peer), and whichever comes first gives the command's answer. What a client names is resolved
 * link by link, and leads nowhere out of the folder. In ftp_server/:
 *
 *     control_channel.ts     the session: lines in, answers out
 *     *_commands.ts          what each command does
 *     data_port.ts           how a data connection comes to be: PASV and PORT
 *     data_channel.ts        the connection, and TLS on it
 *     transfer.ts            what goes over it, in either direction, and how it ends
 *     paths.ts, open_file.ts the disk
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import { type Address, type InetAddress, OSError, type Socket } from '@asyncore/socket';
import { FTPHandler, type FTPSettings } from './ftp_server/control_channel.js';
import { rootOf } from './ftp_server/paths.js';

export { FTPHandler, type FTPSettings };

const BACKLOG = 511;
/** In milliseconds, of both kinds of connections. */
const HANDSHAKE_TIME = 30_000;

/** What `FTPServer` takes beside its address and folder. */
export interface FTPOptions extends Partial<Omit<FTPSettings, 'root'>> {
  /** The most sessions at a time; who comes then waits in the backlog. Default 500. */
  connections?: number;
}

export class FTPServer extends dispatcher {
  readonly settings: FTPSettings;

  constructor(host: string, port: number, folder: string, options: FTPOptions = {}) {
    super();
    const { connections = 500, tls = null, account = null, patience = 300 } = options;
    this.max_connections = connections;
    this.settings = {
      root: rootOf(folder),
      account,
      // The same object for all, so that a client can resume its session.
      tls: tls && { handshakeTimeout: HANDSHAKE_TIME, isServer: true, ...tls },
      isSecureFromStart: options.isSecureFromStart ?? false,
      requiresTls: options.requiresTls ?? false,
      patience,
      loginTime: options.loginTime ?? 60,
      passiveTime: options.passiveTime ?? 60,
    };
    this.create_server([host, port], { backlog: BACKLOG });
  }

  handle_accepted(sock: Socket, address: Address) {
    new FTPHandler(sock, address, this.settings);
  }
}

/** On `host`, else on both addresses of this machine's own, as far as it has them. */
function listen(
  host: string | undefined,
  port: number,
  folder: string,
  options: FTPOptions,
): FTPServer[] {
  const first = new FTPServer(host ?? '127.0.0.1', port, folder, options);
  if (host !== undefined) return [first];
  try {
    const [, chosen] = first.getsockname() as InetAddress;
    return [first, new FTPServer('::1', chosen, folder, options)];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (port === 0 && code === 'EADDRINUSE') {
      try {
        return listen(host, port, folder, options);
      } finally {
        first.close(); // not before, so that the system chooses another number
      }
    }
    if (!(error instanceof OSError) || (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT')) {
      throw error;
    }
    return [first]; // IPv6 is off
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      root: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string', default: '2121' },
      timeout: { type: 'string', default: '300' },
      connections: { type: 'string', default: '500' },
      user: { type: 'string' },
      password: { type: 'string' },
      cert: { type: 'string' },
      key: { type: 'string' },
      tls: { type: 'boolean', default: false },
      'require-tls': { type: 'boolean', default: false },
    },
  });
  const { root, user, password, cert, key } = values;
  const [patience, connections] = [Number(values.timeout), Number(values.connections)];
  if (root === undefined) throw new Error('say what folder to serve: --root FOLDER');
  if (!(patience > 0)) throw new Error('--timeout must be a number of seconds');
  if (!(connections > 0)) throw new Error('--connections must be a number over 0');
  if ((user === undefined) !== (password === undefined)) {
    throw new Error('--user and --password go together');
  }
  if ((cert === undefined) !== (key === undefined)) throw new Error('--cert and --key go together');
  if ((values.tls || values['require-tls']) && cert === undefined) {
    throw new Error('--tls and --require-tls need --cert and --key');
  }
  const servers = listen(values.host, Number(values.port), root, {
    account: user !== undefined && password !== undefined ? { user, password } : null,
    tls: cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : null,
    isSecureFromStart: values.tls,
    requiresTls: values['require-tls'],
    patience,
    connections,
  });
  for (const server of servers) {
    const [host, port] = server.getsockname() as InetAddress;
    console.log(`serving files on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  }
  await loop();
}
