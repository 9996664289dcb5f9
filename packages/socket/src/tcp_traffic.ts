import { endianness } from 'node:os';
import { binding } from './binding.js';
import { IPPROTO_TCP, TCP_INFO } from './constants.js';
import { int32 } from './wrong.js';

/** Linux's `struct tcp_info` up to tcpi_bytes_retrans, which Linux 4.19 brought. */
const LENGTH = 216;
/** The states of tcpi_state: TCP_LISTEN, whose numbers mean other things. */
const LISTEN = 10;
/** And those after the peer's FIN, which counts as a byte: TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING. */
const AFTER_FIN = [6, 8, 9, 11];

/** What the kernel has counted of a TCP connection. */
export interface traffic {
  /** Bytes received, as far as they are in order. */
  bytes_in: number;
  /** Bytes given to the kernel, whether it has sent them yet or not. */
  bytes_out: number;
  /** Seconds since something was last sent or received. */
  idle: number;
}

/**
 * How much went through a TCP connection, by the kernel's own count, and for how many seconds nothing
 * has. null for any other descriptor, and where the system does not tell: only Linux does. TCP_INFO, tcp(7).
 */
export function tcp_traffic(fd: number): traffic | null {
  int32('tcp_traffic', 'fd', fd);
  if (process.platform !== 'linux' || TCP_INFO === undefined) return null;
  const bytes = new Uint8Array(LENGTH);
  const length = binding.getsockopt(fd, IPPROTO_TCP, TCP_INFO, bytes);
  const info = new DataView(bytes.buffer);
  const state = info.getUint8(0);
  if (length < LENGTH || state === LISTEN) return null;
  const long = (at: number) => Number(info.getBigUint64(at, isLittle));
  const sinceSent = info.getUint32(44, isLittle);
  const sinceReceived = info.getUint32(52, isLittle);
  return {
    bytes_in: long(128) - (AFTER_FIN.includes(state) ? 1 : 0),
    bytes_out: long(200) - long(208) + info.getUint32(144, isLittle), // sent, not again, and waiting
    idle: Math.min(sinceSent, sinceReceived) / 1000,
  };
}

const isLittle = endianness() === 'LE';
