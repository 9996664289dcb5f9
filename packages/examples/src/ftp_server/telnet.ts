/** FTP's commands are spoken over Telnet, whose signals come as bytes from 0xf0 on, each behind IAC, 0xff. */

const TELNET = /\xff(?:\xff|[\xfb-\xfe].|[^\xff\xfb-\xfe])?/gs;

/**
 * A line without what Telnet puts in between: IAC IP and IAC DM before ABOR, options that nobody
 * wants. IAC IAC is a byte of its own. A DM whose IAC was lost, as it was urgent, goes with it.
 */
export function withoutTelnet(line: string): string {
  const plain = line.replaceAll(TELNET, (found) => (found === '\xff\xff' ? '\xff' : ''));
  return plain.replace(/^[\xf0-\xfe]+/, '');
}

/** The reverse, for what we say. */
export function withTelnet(text: string): string {
  return text.replaceAll('\xff', '\xff\xff');
}
