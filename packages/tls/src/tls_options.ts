import type { ConnectionOptions, TlsOptions } from 'node:tls';

type OfTheClient = 'secureContext' | 'servername' | 'session' | 'checkServerIdentity' | 'minDHSize';
type OfTheConnection = 'isServer' | 'host' | 'socket' | 'path' | 'port' | 'lookup' | 'timeout';

/**
 * The options of node:tls for `tls.createServer` or `tls.connect`, and some more. The same object means
 * the same context, so give every connection of a server the same one: clients can then resume sessions.
 *
 * https://nodejs.org/api/tls.html
 */
export interface tls_options
  extends Omit<TlsOptions, OfTheConnection | keyof import('node:net').ServerOpts>,
    Pick<ConnectionOptions, OfTheClient> {
  /** Whether the channel is the server of the handshake. Default: false for a channel that has called `connect`, else true. */
  isServer?: boolean;
  /**
   * The client checks the server's certificate for `servername`, else for this. Default: the host
   * that `connect` was given.
   */
  host?: string;
  /** How long the handshake may take, in milliseconds, in either role. Default 120,000. */
  handshakeTimeout?: number;
  /** Whether input that was received but not handed on goes to TLS. Default false: it is dropped. */
  keep_input?: boolean;
  /** Whether an end without close_notify is an error. Default true. */
  require_close_notify?: boolean;
}

/** Node's default for a server, here for both roles. */
export const HANDSHAKE_TIMEOUT = 120_000;
