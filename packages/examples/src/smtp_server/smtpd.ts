/** The servers of CPython's smtpd, for programs that are ported. Each is meant to be subclassed. */
import { isIPv6 } from 'node:net';
import { dispatcher } from '@asyncore/core';
import { type Address, AF_INET, AF_INET6, type Socket } from '@asyncore/socket';
import { printable } from './deliveries.js';
import { relayTo } from './relay.js';
import {
  checkOptions,
  DATA_SIZE_DEFAULT,
  type message_options,
  type message_processor,
  SMTPChannel,
  type smtpd_options,
} from './smtpd_channel.js';

export { type message_options, SMTPChannel, type smtpd_options };

type HostAndPort = [host: string, port: number];

/** A listener that makes a channel for each connection, and gives `process_message` each mail. */
export class SMTPServer extends dispatcher implements message_processor {
  channel_class: typeof SMTPChannel = SMTPChannel;
  data_size_limit: number;
  enable_SMTPUTF8: boolean;
  _decode_data: boolean;
  _remoteaddr: HostAndPort;

  /** `remoteaddr` is for subclasses, such as PureProxy. */
  constructor(localaddr: HostAndPort, remoteaddr: HostAndPort, options: smtpd_options = {}) {
    checkOptions(options);
    super(null, options.map ?? null);
    this._remoteaddr = remoteaddr;
    this.data_size_limit = options.data_size_limit ?? DATA_SIZE_DEFAULT;
    this.enable_SMTPUTF8 = options.enable_SMTPUTF8 ?? false;
    this._decode_data = options.decode_data ?? false;
    try {
      this.create_socket(isIPv6(localaddr[0]) ? AF_INET6 : AF_INET);
      this.set_reuse_addr();
      this.bind(localaddr);
      this.listen();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  handle_accepted(conn: Socket, addr: Address): void {
    const { data_size_limit, enable_SMTPUTF8, _decode_data: decode_data, _map: map } = this;
    const options = { data_size_limit, map, enable_SMTPUTF8, decode_data };
    new this.channel_class(this, conn, addr, options);
  }

  /**
   * To be overridden. What it returns, or its promise gives, is the answer: `'451 try again'`; nothing
   * means `250 OK`. `data` is a string with `decode_data`, else bytes, in lines that end in '\n'.
   */
  process_message(
    _peer: Address,
    _mailfrom: string,
    _rcpttos: string[],
    _data: string | Buffer,
    _options: message_options = {},
  ): unknown {
    throw new Error(`${this.constructor.name} must have a process_message`);
  }
}

/** Prints each mail. */
export class DebuggingServer extends SMTPServer {
  /** Where it prints. */
  print(line: string): void {
    console.log(line);
  }

  override process_message(
    peer: Address,
    _mailfrom: string,
    _rcpttos: string[],
    data: string | Buffer,
    { mail_options = [], rcpt_options = [] }: message_options = {},
  ): unknown {
    this.print('---------- MESSAGE FOLLOWS ----------');
    if (mail_options.length > 0) this.print(`mail options: ${listed(mail_options)}`);
    if (rcpt_options.length > 0) this.print(`rcpt options: ${listed(rcpt_options)}\n`);
    const shown = typeof data === 'string' ? printable : shownAsBytes;
    let isHeader = true;
    const text = Buffer.from(data as string).toString('latin1'); // or bytes
    for (const line of text.replace(/\n$/, '').split('\n')) {
      if (isHeader && line === '') {
        this.print(shown(`X-Peer: ${hostOf(peer)}`));
        isHeader = false;
      }
      this.print(shown(line));
    }
    this.print('------------ END MESSAGE ------------');
    return undefined;
  }
}

/** Passes each mail on to `remoteaddr`, whose answer becomes the client's. */
export class PureProxy extends SMTPServer {
  /** @throws RangeError for enable_SMTPUTF8, which it does not know */
  constructor(localaddr: HostAndPort, remoteaddr: HostAndPort, options: smtpd_options = {}) {
    if (options.enable_SMTPUTF8) throw new RangeError('PureProxy does not support SMTPUTF8');
    super(localaddr, remoteaddr, options);
  }

  override process_message(
    peer: Address,
    mailfrom: string,
    recipients: string[],
    data: string | Buffer,
  ): unknown {
    const text = Buffer.from(data as string); // or bytes, which it copies
    const lines = text.toString('latin1').replaceAll('\n', '\r\n');
    return relayTo(...this._remoteaddr)({
      sender: mailfrom === '<>' ? '' : mailfrom,
      recipients,
      text,
      data: Buffer.from(lines, 'latin1'),
      peer: hostOf(peer),
      isUtf8: false,
    });
  }
}

function hostOf(peer: Address): string {
  return Array.isArray(peer) ? String(peer[0]) : String(peer);
}

/** As Python shows a list. */
function listed(words: string[]): string {
  return `[${words.map((word) => `'${word}'`).join(', ')}]`;
}

/** What is latin1 here, as Python shows bytes. */
function shownAsBytes(line: string): string {
  const text = line.replaceAll(/[^ -~]|[\\']/g, (character) => {
    if (character === '\\' || character === "'") return `\\${character}`;
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `b'${text}'`;
}
