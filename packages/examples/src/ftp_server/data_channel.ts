import { async_chat } from '@asyncore/chat';
import type { InetAddress, Socket } from '@asyncore/socket';
import { type tls_options, with_tls } from '@asyncore/tls';
import { plain } from './addresses.js';
import type { Transfer } from './transfer.js';

/** In bytes: what is received, and sent, in one call. */
const AT_ONCE = 256 * 1024;
/** In seconds: some clients read the answer first, and end their side of the connection then. */
const LINGER_TIME = 0.5;

/** What holds for the data connections of a session. */
export interface DataSettings {
  /** So many seconds it may stand still. */
  patience: number;
  /** Null where they are in the clear. */
  tls: tls_options | null;
}

/**
 * A data connection. It may be there before the command that uses it: until then it reads nothing,
 * though a client may begin TLS at once. It receives no more while the disk has to write: handle_read
 * is async, and does not come again before its promise is settled.
 */
export class DataChannel extends with_tls(async_chat<Socket>) {
  #transfer: Transfer | null = null;
  #tls: tls_options | null;
  #isSecure = false;

  constructor(sock: Socket | null, { patience, tls }: DataSettings) {
    super(sock);
    this.#tls = tls;
    this.timeout = patience;
    this.ac_out_buffer_size = AT_ONCE;
    this.linger_time = LINGER_TIME;
    if (this.connected) this.#opened();
  }

  /** One that we open, for PORT and EPRT, from our address of the control connection. */
  static open(
    to: InetAddress,
    from: InetAddress,
    settings: DataSettings,
    transfer: Transfer,
  ): void {
    const channel = new DataChannel(null, settings);
    channel.#transfer = transfer;
    transfer.use(channel);
    const [host, , ...scope] = from;
    channel.create_connection(to, { source_address: [plain(host), 0, ...scope] as InetAddress });
  }

  #opened(): void {
    if (this.#tls !== null) this.start_tls(this.#tls);
  }

  /** The command is there, and so was the connection. */
  begin(transfer: Transfer): void {
    this.#transfer = transfer;
    transfer.use(this);
    if (!this.connected) transfer.fail();
    else if (this.#isReady) transfer.start();
    this._changed();
  }

  /** Nothing is sent before TLS is there, not even an end: it would be the handshake's. */
  get #isReady(): boolean {
    return this.#tls === null || this.#isSecure;
  }

  handle_connect() {
    this.#opened();
    if (this.#isReady) this.#transfer?.start();
  }

  handle_connect_error() {
    this.close();
    this.#transfer?.fail();
  }

  handle_secure() {
    this.#isSecure = true;
    this.#transfer?.start();
  }

  readable() {
    return this.#transfer?.receives === true && super.readable();
  }

  async handle_read() {
    const data = this.recv(AT_ONCE); // an empty one has called handle_eof
    if (data.length > 0) await this.#transfer?.take(data);
  }

  async handle_eof() {
    await this.#transfer?.finish();
  }

  handle_close() {
    const reason = this.close_reason ?? (this.writable() ? new Error('the end is missing') : null);
    this.close();
    this.#transfer?.lost(reason);
  }

  /** Without close_notify more may have been meant to come: only who sends nothing may leave it out. */
  handle_tls_error(error: unknown) {
    const { code } = Object(error) as NodeJS.ErrnoException;
    const isEnd = code === 'ERR_TLS_NO_CLOSE_NOTIFY' && !this.writable();
    this.close();
    if (this.#isSecure) this.#transfer?.lost(isEnd ? null : error);
    else this.#transfer?.fail();
  }
}
