import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { wrong } from '@asyncore/socket';
import type { Ciphertext } from './ciphertext.js';
import { TLSError } from './tls_error.js';
import type { tls_options } from './tls_options.js';

/** What a handshake comes to. */
export interface Outcome {
  secure(socket: TLSSocket): void;
  fail(error: Error): void;
}

const servers = new WeakMap<tls_options, Server>();
const contexts = new WeakMap<tls_options, SecureContext>();

/** Throws what node:tls does for wrong options, having touched nothing. */
export function begin(
  options: tls_options,
  isServer: boolean,
  host: string | null,
  ciphertext: Ciphertext,
  outcome: Outcome,
): TLSSocket | null {
  if (isServer) {
    accept(options, ciphertext, outcome);
    return null; // node:tls shows it when the handshake is done
  }
  return open(options, host, ciphertext, outcome);
}

// ---- the server's side ----

const IDENTITIES = ['cert', 'pfx', 'secureContext', 'SNICallback', 'pskCallback'] as const;

function serverOf(options: tls_options): Server {
  const known = servers.get(options);
  if (known) return known;
  if (!IDENTITIES.some((name) => options[name] !== undefined)) {
    throw wrong.type(
      'start_tls: a server needs key and cert, or pfx, secureContext, SNICallback, pskCallback; a client that has not called connect says isServer: false',
    );
  }
  const made = createServer(options);
  servers.set(options, made);
  return made;
}

/**
 * One connection of a tls.Server, which does all that its options say. It tells of its connections
 * without saying which: so each gets the server with an `emit` of its own.
 */
function accept(options: tls_options, ciphertext: Ciphertext, outcome: Outcome): void {
  const server = serverOf(options);
  const door = Object.create(server) as Server & { _sharedCreds?: SecureContext };
  // createServer takes no context that is made already.
  if (options.secureContext) door._sharedCreds = options.secureContext;
  door.emit = (event: string, ...args: unknown[]) => {
    if (event === 'secureConnection') outcome.secure(args[0] as TLSSocket);
    else if (event === 'tlsClientError') outcome.fail(refusal(args[0] as Error, args[1]));
    else return Reflect.apply(server.emit, door, [event, ...args]);
    return true;
  };
  Reflect.apply(server.emit, door, ['connection', ciphertext]);
}

/** Node only hangs up on a client whose certificate it does not trust, and keeps the reason. */
function refusal(error: Error, socket: unknown): Error {
  // A string, though declared as an Error.
  const { authorizationError } = socket as { authorizationError?: unknown };
  if (typeof authorizationError !== 'string') return error;
  return new TLSError(authorizationError, `the client's certificate: ${authorizationError}`);
}

// ---- the client's side ----

function open(
  options: tls_options,
  host: string | null,
  ciphertext: Ciphertext,
  outcome: Outcome,
): TLSSocket {
  const name = options.servername || options.host || host;
  const isChecked = options.rejectUnauthorized !== false && !options.checkServerIdentity;
  if (!name && isChecked) {
    throw wrong.type('start_tls: servername must be given, to be checked in the certificate');
  }
  const { SNICallback: _, ...rest } = options; // a server's
  const socket = connect({
    ...(rest as ConnectionOptions),
    host: name ?? undefined,
    servername: options.servername ?? (name && isIP(name) === 0 ? name : ''),
    secureContext: contextOf(options),
    socket: ciphertext,
  });
  socket.on('secureConnect', () => outcome.secure(socket));
  socket.on('error', (error) => outcome.fail(error));
  return socket;
}

function contextOf(options: tls_options): SecureContext {
  if (options.secureContext) return options.secureContext;
  const known = contexts.get(options);
  if (known) return known;
  const made = createSecureContext(options);
  contexts.set(options, made);
  return made;
}
