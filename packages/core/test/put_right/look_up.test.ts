/** What happens to a name's look-up when the channel goes on without it. */
import { dispatcher, ExitNow, loop, poll } from '@asyncore/core';
import { type InetAddress, SOCK_DGRAM, Socket, socketpair } from '@asyncore/socket';
import { type Found, native, use_binding } from '@asyncore/socket/kernel';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

const HOST = 'somewhere.example';
const map = new Map();
let listener: Socket;
let port: number;

// A resolver of our own: which names a machine can resolve is its own affair.
let answer: () => void;
beforeAll(() => {
  const lookup = () =>
    new Promise<Found[]>((resolve) => {
      answer = () => resolve([{ address: '127.0.0.1', family: 4 }]);
    });
  use_binding({ ...native, lookup });
  listener = new Socket();
  listener.bind(['127.0.0.1', 0]);
  listener.listen();
  [, port] = listener.getsockname() as InetAddress;
});
afterAll(() => {
  use_binding(native);
  listener.close();
});
beforeEach(() => map.clear());

class Client extends dispatcher {
  told: string[] = [];
  handle_connect() {
    this.told.push('connect');
    this.close();
  }
  handle_connect_error(error: unknown) {
    this.told.push(`connect_error ${error}`);
    this.close();
  }
}

/** Both the answer and a neighbour's data are there in one pass; the neighbour acts first. */
async function overtakenBy(act: (client: Client) => void): Promise<string[]> {
  const client = new Client(null, map);
  const [sock, peer] = socketpair();
  class Neighbour extends dispatcher {
    handle_read() {
      this.recv(1);
      act(client);
      this.close();
    }
  }
  new Neighbour(sock, map);
  client.create_socket();
  client.connect([HOST, port]);
  const changed = client._changed.bind(client);
  client._changed = () => {
    client._changed = changed;
    peer.send(Buffer.from('x'));
    changed();
  };
  answer();
  const ended = loop({ map });
  const again = setInterval(() => answer(), 1);
  await ended.finally(() => clearInterval(again));
  peer.close();
  return client.told;
}

it('an attempt by address is not told of the look-up that it has overtaken', async () => {
  expect(await overtakenBy((client) => client.connect(['127.0.0.1', port]))).toEqual(['connect']);
});

it('an attempt by name is not told of the look-up that it has overtaken', async () => {
  expect(await overtakenBy((client) => client.connect([HOST, port]))).toEqual(['connect']);
});

it('a pass within a handler takes the look-up, and the outer pass does not', async () => {
  expect(await overtakenBy(() => poll(0, map))).toEqual(['connect']);
});

it('ExitNow in handle_connect leaves the loop when a name was looked up too', async () => {
  class Leaving extends Client {
    handle_connect() {
      throw new ExitNow();
    }
  }
  const client = new Leaving(null, map);
  client.create_socket(undefined, SOCK_DGRAM); // connects at once
  client.connect([HOST, 9]);
  answer();
  await expect(loop({ map })).rejects.toThrow(ExitNow);
  expect(client.told).toEqual([]);
  client.close();
});

it('another socket is not connected by the look-up of the one before', async () => {
  const client = new Client(null, map);
  client.create_socket();
  client.connect([HOST, port]);
  const [sock, peer] = socketpair();
  client.socket?.close();
  client.set_socket(sock);
  client.connecting = false;
  client.connected = true;
  answer();
  await loop({ map, count: 3, timeout: 0 });
  expect(client.told).toEqual([]);
  client.close();
  peer.close();
});
