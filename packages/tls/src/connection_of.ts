import type { TLSSocket } from 'node:tls';
import type { dispatcher, Transport } from '@asyncore/core';
import { tls_transport } from './tls_transport.js';

/** The properties of a TLS connection, as agreed with the peer. */
export interface tls_facts {
  /** The application protocol (ALPN); null when none was agreed. */
  alpn_protocol: string | null;
  /** The peer's certificate; null when it sent none. */
  peer_certificate: ReturnType<TLSSocket['getPeerCertificate']> | null;
  /** Whether the peer's certificate was asked for and is trusted. */
  authorized: boolean;
  /** Why the certificate is not trusted: a code of X509 verification, such as CERT_HAS_EXPIRED. */
  authorization_error: string | null;
  /** The cipher suite in use. */
  cipher: ReturnType<TLSSocket['getCipher']> | null;
  /** The protocol version: 'TLSv1.3' and so on. */
  protocol: string | null;
  /** A client's session: give it to `start_tls` as `session` to resume it later. It may come after the handshake. */
  session: Buffer | null;
  /** Whether a former session was resumed. */
  session_reused: boolean;
  /** The name that the client asked for (SNI). */
  servername: string | null;
}

/** The properties of the channel's TLS connection; null where there is none. */
export function tls_of<S extends Transport>(channel: dispatcher<S>): tls_facts {
  const transport = channel.socket as Transport | null;
  const known = transport instanceof tls_transport ? transport : null;
  const socket = known?.connection ?? null;
  const certificate = socket?.getPeerCertificate() ?? {};
  return {
    alpn_protocol: socket?.alpnProtocol || null,
    peer_certificate:
      Object.keys(certificate).length > 0 ? (certificate as tls_facts['peer_certificate']) : null,
    authorized: socket?.authorized ?? false,
    authorization_error: socket?.authorizationError ? String(socket.authorizationError) : null,
    cipher: socket?.getCipher() ?? null,
    protocol: socket?.getProtocol() ?? null,
    session: known?.session ?? null,
    session_reused: socket?.isSessionReused() ?? false,
    servername: (socket as { servername?: string | false } | null)?.servername || null,
  };
}
