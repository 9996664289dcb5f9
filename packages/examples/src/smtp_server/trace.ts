import { hostname } from 'node:os';

/** The header lines that whoever delivers a mail puts above it: who sent it, to whom, from where and how. */
export function trace(
  sender: string,
  recipients: string[],
  client: string,
  protocol: string,
): string {
  const date = new Date().toUTCString().replace('GMT', '+0000');
  return [
    `Return-Path: <${sender}>\n`,
    ...recipients.map((recipient) => `Delivered-To: ${recipient}\n`),
    `Received: from ${client} by ${hostname()} with ${protocol}; ${date}\n`,
  ].join('');
}
