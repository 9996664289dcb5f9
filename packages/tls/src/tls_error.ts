/**
 * What ended a TLS connection, where node:tls has no error of its own. `code` is
 * ERR_TLS_HANDSHAKE_TIMEOUT, ECONNRESET (the peer ended it in the handshake), ERR_TLS_NO_CLOSE_NOTIFY
 * (the connection ended without close_notify, so that the end of what was sent may be missing) or
 * what X509 verification gives, such as SELF_SIGNED_CERT_IN_CHAIN.
 */
export class TLSError extends Error {
  /** `message` is the description for people. */
  constructor(
    /** The code for programs, as in Node's own errors. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }

  static {
    TLSError.prototype.name = 'TLSError';
  }
}
