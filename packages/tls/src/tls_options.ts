import type { ConnectionOptions, TlsOptions } from 'node:tls';

type OfTheClient = 'secureContext' | 'servername' | 'session' | 'checkServerIdentity' | 'minDHSize';
type OfTheConnection = 'isServer' | 'host' | 'socket' | 'path' | 'port' | 'lookup' | 'timeout';

/**
 * Options of node:tls, for `tls.createServer` or `tls.connect`, and some beside. The same object given
 * again means the same context: make one for a server, so that clients can resume their sessions.
 *
 * https://nodejs.org/api/tls.html
 */
export interface tls_options
  extends Omit<TlsOptions, OfTheConnection | keyof import('node:net').ServerOpts>,
    Pick<ConnectionOptions, OfTheClient> {
  /** Whether it is the server. Default: a channel that has called `connect` is not, others are. */
  isServer?: boolean;
  /**
   * The client checks the server's certificate for `servername`, else for this. Default: the host
   * that `connect` was given.
   */
  host?: string;
  /** The most milliseconds that the handshake may take, in either role. Default 120,000. */
  handshakeTimeout?: number;
  /** What the channel has received and not yet handed on goes to TLS. Default false: it is dropped. */
  keep_input?: boolean;
  /** Whether an end without close_notify is an error. Default true. */
  require_close_notify?: boolean;
}

/** Node's default of a server, for both roles. */
export const HANDSHAKE_TIMEOUT = 120_000;
