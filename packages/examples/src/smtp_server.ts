/**
 * An SMTP server that keeps mail, for whomever it is, prints it or passes it on to another server.
 *
 *     smtp_server --sink FILE | --maildir FOLDER | --mbox FILE | --print | --relay HOST:PORT
 *                 [--host HOST] [--port 2525]
 *                 [--user USER --password PASSWORD [--require-auth] [--auth-in-clear]]
 *                 [--cert FILE --key FILE [--tls]] [--size 10485760] [--timeout 300]
 *
 * With a certificate it offers STARTTLS, or speaks TLS from the start with --tls; with a user it takes
 * AUTH PLAIN and LOGIN, inside TLS only unless --auth-in-clear says otherwise. Without --host it listens
 * on 127.0.0.1 and ::1.
 *
 * A protocol of lines: async_chat looks for '\r\n', here and nowhere else, so that no other line end
 * can smuggle in a second mail. A line over max_incoming is discarded, answered with 500, and the next
 * one is understood again. Clients may send many commands at once: the answers leave together. Those
 * behind STARTTLS are dropped by start_tls: whoever put them there, they were not encrypted.
 *
 * In smtp_server/:
 *
 *     session.ts               lines in, answers out
 *     account.ts, envelope.ts  who sends, from whom and to whom
 *     trace.ts                 the lines above a mail
 *     deliveries.ts, relay.ts  what becomes of a mail
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import { type Address, type InetAddress, OSError, type Socket } from '@asyncore/socket';
import type { tls_options } from '@asyncore/tls';
import type { Account } from './smtp_server/account.js';
import { type Deliver, type Mail, maildir, mbox, printed, sink } from './smtp_server/deliveries.js';
import { relayTo } from './smtp_server/relay.js';
import { SMTPHandler } from './smtp_server/session.js';

export {
  type Account,
  type Deliver,
  type Mail,
  maildir,
  mbox,
  printed,
  relayTo,
  SMTPHandler,
  sink,
};

const BACKLOG = 511;

export interface SMTPOptions {
  /** The most bytes that a mail may have. Default 10 MiB. */
  size?: number;
  /** So many seconds a client may be silent. Default 300: RFC 5321, 4.5.3.2.7. */
  patience?: number;
  account?: Account | null;
  /** The key and certificate of STARTTLS. */
  tls?: tls_options | null;
  isSecureFromStart?: boolean;
}

export class SMTPServer extends dispatcher {
  readonly size: number;
  readonly patience: number;
  readonly account: Account | null;
  readonly tls: tls_options | null;
  readonly isSecureFromStart: boolean;

  readonly deliver: Deliver;

  constructor(host: string, port: number, deliver: Deliver, options: SMTPOptions = {}) {
    super();
    this.deliver = deliver;
    this.size = options.size ?? 10 * 1024 * 1024;
    this.patience = options.patience ?? 300;
    this.account = options.account ?? null;
    this.tls = options.tls ?? null;
    this.isSecureFromStart = options.isSecureFromStart ?? false;
    this.create_server([host, port], { backlog: BACKLOG });
  }

  handle_accepted(sock: Socket, address: Address) {
    // The socket of a client that has gone no longer knows its address.
    new SMTPHandler(sock, this).addr = address;
  }
}

/** On `host`, else on both addresses of this machine's own, as far as it has them. */
function listen(
  host: string | undefined,
  port: number,
  deliver: Deliver,
  options: SMTPOptions,
): SMTPServer[] {
  const first = new SMTPServer(host ?? '127.0.0.1', port, deliver, options);
  if (host !== undefined) return [first];
  try {
    const [, chosen] = first.getsockname() as InetAddress;
    return [first, new SMTPServer('::1', chosen, deliver, options)];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (port === 0 && code === 'EADDRINUSE') {
      try {
        return listen(host, port, deliver, options);
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

/** What the options for it mean, of which one is given. */
const PLACES: Record<string, (where: string) => Deliver> = {
  sink,
  maildir,
  mbox,
  print: () => printed(),
  relay: (where) => relayTo(...hostAndPort(where)),
};

function deliverTo(places: Record<string, string | boolean | undefined>): Deliver {
  const given = Object.keys(PLACES).filter((place) => places[place] !== undefined);
  if (given.length !== 1) {
    throw new Error(
      'say where the mail goes: --sink FILE, --maildir FOLDER, --mbox FILE, --print or --relay HOST:PORT',
    );
  }
  return PLACES[given[0]](String(places[given[0]]));
}

function hostAndPort(where: string): [host: string, port: number] {
  const [, host, port] = /^\[?([^[\]]+?)\]?:(\d{1,5})$/.exec(where) ?? [];
  if (host === undefined) throw new Error('--relay HOST:PORT');
  return [host, Number(port)];
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string' },
      port: { type: 'string', default: '2525' },
      size: { type: 'string', default: '10485760' },
      timeout: { type: 'string', default: '300' },
      sink: { type: 'string' },
      maildir: { type: 'string' },
      mbox: { type: 'string' },
      print: { type: 'boolean' },
      relay: { type: 'string' },
      user: { type: 'string' },
      password: { type: 'string' },
      'require-auth': { type: 'boolean', default: false },
      'auth-in-clear': { type: 'boolean', default: false },
      cert: { type: 'string' },
      key: { type: 'string' },
      tls: { type: 'boolean', default: false },
    },
  });
  const [size, patience] = [Number(values.size), Number(values.timeout)];
  if (!(Number.isInteger(size) && size > 0)) throw new Error(`--size must be a number of bytes`);
  if (!(patience > 0)) throw new Error('--timeout must be a number of seconds');
  const { user, password, cert, key } = values;
  if ((user === undefined) !== (password === undefined)) {
    throw new Error('--user and --password go together');
  }
  if ((cert === undefined) !== (key === undefined)) throw new Error('--cert and --key go together');
  const isRequired = values['require-auth'];
  const inClear = values['auth-in-clear'];
  if (isRequired && user === undefined) throw new Error('--require-auth needs --user');
  if (values.tls && cert === undefined) throw new Error('--tls needs --cert and --key');
  const servers = listen(values.host, Number(values.port), deliverTo(values), {
    size,
    patience,
    account: user && password !== undefined ? { user, password, isRequired, inClear } : null,
    tls: cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : null,
    isSecureFromStart: values.tls,
  });
  for (const server of servers) {
    const [host, port] = server.getsockname() as InetAddress;
    console.log(`taking mail on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  }
  await loop();
}
