import assert from 'node:assert/strict';
import { SMTPServer } from '../dist/smtp_server.js';

const HOST = '127.0.0.1';

/** @type {<T>(net: import('@asyncore/testing').network, label: string, list: T[]) => T} */
const of = (net, label, list) => list[net.choose(list.length, label)];

/** @param {import('@asyncore/testing').network} net */
export async function smtp_server(net) {
  /** @type {import('../dist/smtp_server.js').Mail[]} */
  const mails = [];
  new SMTPServer(HOST, 25, (mail) => mails.push(mail), { size: 100_000 });
  const lines = Array.from({ length: 20 }, (_, i) => `line ${i}${i % 7 === 3 ? '' : ' text'}`);
  const envelope = 'EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n';
  const peer = net
    .connect([HOST, 25])
    .send(`${envelope}${lines.join('\r\n')}\r\n..dot\r\n.\r\nQUIT\r\n`);
  const broken = net.connect([HOST, 25]).send(`${envelope}half a mail\r\n`);
  await peer.expect('221');
  assert.equal(await peer.end(), 'end');
  of(net, 'how it breaks', [
    () => broken.close(),
    () => broken.reset(),
    () => broken.half_close(),
  ])();
  await net.settle(400);
  assert.equal(mails.length, 1);
  const text = mails[0].text.toString().split('\n').slice(3).join('\n');
  assert.equal(text, `${lines.join('\n')}\n.dot\n`);
}
