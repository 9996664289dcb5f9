/** A client asks for parts of a file, which go out by sendfile, or read and sent where there is none. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { async_chat, file_producer } from '@asyncore/chat';
import { AF_INET } from '@asyncore/socket';
import { Listener, Watched } from '../watched.mjs';

const path = join(process.env.ASYNCORE_SWEEP_FOLDER ?? '.', `sent ${process.pid}`);
const content = Array.from({ length: 20_000 }, (_, i) => `${i} `).join('');

class Handler extends Watched(async_chat) {
  constructor(sock, record) {
    super(sock, record.map);
    this.of = record;
    this.set_terminator('\r\n');
  }
  collect_incoming_data(data) {
    this._collect_incoming_data(data);
  }
  found_terminator() {
    const name = this._get_data().toString('latin1');
    this.as(this.of, name, 'server');
    this.of.got(name, 'server', `${name}|`);
    if (name === 'read') this.socket.sendfile = undefined;
    this.push(Buffer.from('<'));
    this.push_with_producer(new file_producer(path));
    this.push(Buffer.from('|'));
    this.push_with_producer(new file_producer(path, { start: 10, end: 20 }));
    this.push(Buffer.from('>'));
    this.close_when_done();
  }
}

class Client extends Watched(async_chat) {
  constructor(record, listener, name) {
    super(null, record.map);
    this.as(record, name, 'client');
    this.set_terminator(null);
    this.begin(AF_INET, listener.address);
  }
  handle_connect() {
    super.handle_connect();
    this.push(Buffer.from(`${this.conversation}\r\n`));
  }
  collect_incoming_data(data) {
    this.record.got(this.conversation, 'client', data.toString('latin1'));
  }
  whenClosed() {
    this.record.over(this.conversation);
  }
}

export async function send_file(record) {
  writeFileSync(path, content);
  const listener = new Listener(
    record,
    AF_INET,
    ['127.0.0.1', 0],
    (sock) => void new Handler(sock, record),
  );
  if (record.setup) return;
  const names = ['sendfile', 'read'];
  for (const name of names) {
    record.expect(name);
    record.conversation(name, {
      server: `${name}|`,
      client: `<${content}|${content.slice(10, 20)}>`,
    });
  }
  for (const name of names) new Client(record, listener, name);
  await record.serve();
}
