/** Two clients that send lines, and a server that answers them from strings and every kind of producer. */
import { simple_producer } from '@asyncore/chat';
import { AF_INET } from '@asyncore/socket';
import { Listener, Watched } from '../watched.mjs';
import { Answers, Talks } from './ends.mjs';

const answer = (line) => `re ${line} ${'x'.repeat(line.endsWith('0') ? 3000 : 40)}`;

class Handler extends Answers(Watched, '\r\n', (line) => line[1]) {
  constructor(sock, record) {
    super(sock, record);
    this.ac_out_high_water = 2000;
  }
  answer(line) {
    if (line.endsWith('quit')) {
      this.push('bye\r\n');
      this.close_when_done();
      return;
    }
    const bytes = Buffer.from(`${answer(line)}\r\n`);
    if (line.endsWith('3')) this.push_with_producer(halves(bytes));
    else if (line.endsWith('4')) this.push_with_producer(later(bytes));
    else if (line.endsWith('5')) this.push_with_producer(new simple_producer(bytes, 7));
    else this.push(bytes);
  }
}

function* halves(bytes) {
  yield bytes.subarray(0, 5);
  yield bytes.subarray(5);
}

async function* later(bytes) {
  await null;
  yield bytes;
}

class Client extends Talks(Watched, '\r\n') {
  speak(lines) {
    for (const line of lines.slice(0, 3)) this.push(`${line}\r\n`);
    const rest = lines.slice(3);
    this.push_with_producer(
      (function* () {
        for (const line of rest) yield Buffer.from(`${line}\r\n`);
      })(),
    );
  }
}

export async function chat(record) {
  const listener = new Listener(
    record,
    AF_INET,
    ['127.0.0.1', 0],
    (sock) => void new Handler(sock, record),
  );
  if (record.setup) return;
  const all = [0, 1].map((i) => [...[0, 1, 2, 3, 4, 5, 6].map((k) => `c${i}l${k}`), `c${i}quit`]);
  all.forEach((lines, i) => {
    const answers = lines.slice(0, -1).map((line) => `${answer(line)}|`);
    record.expect(`c${i}`);
    record.conversation(`c${i}`, {
      server: lines.map((line) => `${line}|`).join(''),
      client: `${answers.join('')}bye|`,
    });
  });
  all.forEach((lines, i) => void new Client(record, listener, i, lines));
  await record.serve();
}
