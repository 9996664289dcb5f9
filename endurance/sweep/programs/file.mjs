/** Two pipes between file channels, one with more than a pipe holds. */
import { file_dispatcher } from '@asyncore/file';
import { close, pipe } from '@asyncore/socket';
import { Watched } from '../watched.mjs';
import { text } from './text.mjs';

class Reader extends Watched(file_dispatcher) {
  writable() {
    return false;
  }
  handle_read() {
    this.record.got(this.conversation, 'reader', this.recv(65_536).toString('latin1'));
  }
  whenClosed() {
    this.record.over(`${this.conversation} reader`);
  }
}

class Writer extends Watched(file_dispatcher) {
  readable() {
    return false;
  }
  handle_write() {
    this.unsent = this.unsent.subarray(this.send(this.unsent));
    if (this.unsent.length === 0) this.close();
  }
  whenClosed() {
    this.record.over(`${this.conversation} writer`);
  }
}

export async function file(record) {
  const texts = [text('p', 100_000), text('q', 50)];
  texts.forEach((reader, i) => {
    record.conversation(`c${i}`, { reader });
    record.expect(`c${i} reader`, `c${i} writer`);
  });
  texts.forEach((want, i) => {
    const name = `c${i}`;
    let [ends, reader, writer] = [[], null, null];
    record.safely(
      () => {
        ends = pipe();
        reader = new Reader(ends[0], record.map).as(record, name, 'reader');
        writer = new Writer(ends[1], record.map).as(record, name, 'writer');
        writer.unsent = Buffer.from(want);
      },
      name,
      'setup',
    );
    for (const fd of ends) record.safely(() => close(fd));
    if (!reader) record.over(`${name} reader`);
    if (!writer) record.over(`${name} writer`);
  });
  await record.serve();
}
