import assert from 'node:assert/strict';
import { ChatServer } from '../dist/chat_room.js';

const HOST = '127.0.0.1';

/** @param {import('@asyncore/testing').network} net */
export async function chat_room(net) {
  new ChatServer(HOST, 8080);
  const [ann, bob, cid] = ['ann', 'bob', 'cid'].map(() => net.connect([HOST, 8080]));
  for (const [peer, name] of [
    [ann, 'ann'],
    [bob, 'bob'],
    [cid, 'cid'],
  ]) {
    peer.send(`${name}\n`);
    await peer.expect('enters lobby');
  }
  for (let i = 0; i < 5; i++) ann.send(`number ${i}\r\n`);
  const goes = net.choose(4, 'cid goes');
  [() => {}, () => cid.reset(), () => cid.close(), () => cid.send('/quit\n')][goes]();
  for (const peer of [ann, bob]) {
    const text = await peer.expect('number 4\r\n');
    assert.equal([...text.matchAll(/number (\d)/g)].map(([, n]) => n).join(''), '01234');
    if (goes !== 0 && !text.includes('cid leaves')) await peer.expect('cid leaves');
  }
  bob.send('/who\n');
  await bob.expect(goes === 0 ? /In lobby: ann, bob, cid/ : /In lobby: ann, bob\r/);
  ann.send('/quit\n');
  await ann.expect('Bye');
  assert.equal(await ann.end(), 'end');
}
