/**
 * Channels that stay open whatever they are told of, and send from timers as well as from handlers: an echo,
 * and a chat that answers with more than the buffers hold.
 */
import { AF_INET } from '@asyncore/socket';
import { Listener, Stubborn } from '../watched.mjs';
import { Answers, Asks, Echoes, Talks } from './ends.mjs';
import { text } from './text.mjs';

const FIRST = 20;
const PIECE = 3000;
const PIECES = 3;
/** In milliseconds. */
const PAUSE = 3;
const LONG = 'x'.repeat(50_000);

const EchoHandler = Echoes(Stubborn);

class EchoClient extends Asks(Stubborn) {
  handle_connect() {
    super.handle_connect();
    this.send(Buffer.from(this.want.slice(0, FIRST)));
    this.sendLater(0);
  }
  /** The rest, a piece at a time. */
  sendLater(i) {
    setTimeout(() => {
      if (this.isClosed) return;
      const begin = FIRST + i * PIECE;
      const end = i + 1 < PIECES ? begin + PIECE : this.want.length;
      const piece = Buffer.from(this.want.slice(begin, end));
      this.record.safely(() => this.send(piece), this.conversation, 'client');
      if (i + 1 < PIECES) this.sendLater(i + 1);
    }, PAUSE);
  }
}

class ChatHandler extends Answers(Stubborn, '\n', (line) => line[0]) {
  answer(line) {
    if (line.endsWith('q')) {
      this.push('bye\n');
      this.close_when_done();
      return;
    }
    this.push(`re ${line}\n`);
    this.push_with_producer(
      (function* () {
        yield Buffer.from(LONG);
        yield Buffer.from(`${line}\n`);
      })(),
    );
  }
}

class ChatClient extends Talks(Stubborn, '\n') {
  speak([first, ...rest]) {
    this.push(`${first}\n`);
    this.pushLater(rest);
  }
  /** One after the other: timers of different lengths need not keep their order. */
  pushLater([line, ...rest]) {
    setTimeout(() => {
      if (this.isClosed) return;
      this.record.safely(() => this.push(`${line}\n`), this.conversation, 'client');
      if (rest.length > 0) this.pushLater(rest);
    }, PAUSE);
  }
}

export async function stubborn(record) {
  const any = ['127.0.0.1', 0];
  const echo = new Listener(record, AF_INET, any, (sock) => void new EchoHandler(sock, record));
  if (record.setup) return;
  const chat = new Listener(record, AF_INET, any, (sock) => void new ChatHandler(sock, record));
  if (record.setup) {
    echo.close();
    return;
  }
  record.inNode = true;
  record.expect('c0', 'c1', 'c2', 'c3');
  for (const [i, size] of [8000, 14_000].entries()) {
    const want = text(`${i}`, size);
    record.conversation(`c${i}`, { client: want, server: want });
    new EchoClient(record, echo, i, want);
  }
  for (const i of [2, 3]) {
    const answer = (line) => `re ${line}|${LONG}${line}|`;
    record.conversation(`c${i}`, {
      server: `${i}a|${i}b|${i}q|`,
      client: `${answer(`${i}a`)}${answer(`${i}b`)}bye|`,
    });
    new ChatClient(record, chat, i, [`${i}a`, `${i}b`, `${i}q`]);
  }
  await record.serve();
}
