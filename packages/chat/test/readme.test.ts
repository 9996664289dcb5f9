/** What the README shows. */
import { createReadStream, readFileSync } from 'node:fs';
import { file_producer } from '@asyncore/chat';
import type { Socket } from '@asyncore/core';
import { expect, it } from 'vitest';
import { Chat, connected, type Peer, Stage } from './support.js';

class Lines extends Chat {
  override collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  override found_terminator() {
    this.contents.push(String(this._get_data()));
  }
}

class Limited extends Lines {
  override max_incoming = 10;

  handle_overflow() {
    this.push(Buffer.from('500 the line is too long\r\n'));
  }
}

class Rows extends Lines {
  override ac_out_high_water = 1 << 20;
  #rows = Array.from({ length: 64 }, () => Buffer.alloc(1 << 20));

  handle_drain() {
    let row = this.#rows.shift();
    while (row && this.push(row)) row = this.#rows.shift();
  }
}

class Files extends Lines {
  send_file(path: string) {
    this.push_with_producer(createReadStream(path));
    this.close_when_done();
  }
}

class Parts extends Lines {
  send_part(path: string, start: number, end: number) {
    const file = new file_producer(path, { start, end }); // throws ENOENT and its like
    this.push(Buffer.from(`${file.length}\r\n`));
    this.push_with_producer(file);
  }
}

const lookUp = async (line: Buffer) => Buffer.from(`${line} was looked up\n`);

class Answers extends Lines {
  found_terminator() {
    this.push_with_producer(this.#answer(this._get_data()));
  }

  async *#answer(line: Buffer) {
    yield await lookUp(line); // when those before it are answered
  }
}

type Kind<C> = new (stage: Stage, terminator: string, sock: Socket) => C;

async function talk<C extends Chat>(kind: Kind<C>): Promise<[Stage, C, Peer]> {
  const stage = new Stage();
  const [chat, peer] = await connected(stage, (sock) => new kind(stage, '\n', sock));
  return [stage, chat, peer];
}

it('a line that is too long is answered, and the next one understood', async () => {
  const [stage, chat, peer] = await talk(Limited);
  peer.say('much too long a line\nshort\n');
  await stage.until(() => chat.contents.length > 0 && peer.text.endsWith('\n'));
  expect([chat.contents, peer.text]).toEqual([['short'], '500 the line is too long\r\n']);
});

it('rows are pushed as the peer takes them', async () => {
  const [stage, chat, peer] = await talk(Rows);
  chat.handle_drain();
  await stage.until(() => peer.length === 64 << 20);
});

it('a file is sent, and then the channel closes', async () => {
  const [stage, chat, peer] = await talk(Files);
  chat.send_file(import.meta.filename);
  await stage.until(() => peer.ended);
  expect(peer.text).toBe(readFileSync(import.meta.filename, 'latin1'));
});

it('part of a file is sent behind its length', async () => {
  const [stage, chat, peer] = await talk(Parts);
  chat.send_part(import.meta.filename, 4, 30);
  await stage.until(() => peer.length === 30);
  expect(peer.text).toBe(`26\r\n${readFileSync(import.meta.filename, 'latin1').slice(4, 30)}`);
});

it('answers that wait come in order', async () => {
  const [stage, , peer] = await talk(Answers);
  peer.say('one\ntwo\n');
  await stage.until(() => peer.text.includes('two'));
  expect(peer.text).toBe('one was looked up\ntwo was looked up\n');
});
