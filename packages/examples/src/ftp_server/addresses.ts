/** How FTP writes addresses: RFC 959 (PASV, PORT) and RFC 2428 (EPSV, EPRT). */
import { isIP } from 'node:net';
import type { InetAddress } from '@asyncore/socket';

/** As seen by a socket of either family: '::ffff:192.0.2.1' is '192.0.2.1'. */
export function plain(host: string): string {
  return host.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** Whether both are the same host. An address of a link's own has the number of that link. */
export function isSameHost(one: InetAddress, other: InetAddress): boolean {
  return plain(one[0]) === plain(other[0]) && (one[3] ?? 0) === (other[3] ?? 0);
}

/** `h1,h2,h3,h4,p1,p2`, of an IPv4 address. */
export function inCommas([host, port]: InetAddress): string {
  return [...plain(host).split('.'), port >> 8, port & 255].join(',');
}

/** The reverse; null for what is none. */
export function fromCommas(text: string): [host: string, port: number] | null {
  const numbers = /^\d{1,3}(?:,\d{1,3}){5}$/.test(text) ? text.split(',').map(Number) : [];
  if (numbers.length === 0 || numbers.some((number) => number > 255)) return null;
  return [numbers.slice(0, 4).join('.'), numbers[4] * 256 + numbers[5]];
}

/** What EPRT says, `|2|::1|5282|` with any character for the bars; null for what is none. */
export function extended(text: string): { family: string; host: string; port: number } | null {
  const parts = /^([!-~])(\d{1,5})\1([0-9a-fA-F.:]{2,45})\1(\d{1,5})\1$/.exec(text);
  const [, , family, host, port] = parts ?? [];
  if (host === undefined || Number(port) > 65535) return null;
  if (family === '1' || family === '2') {
    if (isIP(host) !== (family === '1' ? 4 : 6)) return null;
  }
  return { family, host: canonical(host), port: Number(port) };
}

/** The shortest spelling, which is that of a socket. */
function canonical(host: string): string {
  return isIP(host) === 6 ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host;
}
