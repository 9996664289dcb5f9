/**
 * A chat for browsers: what one WebSocket says goes to all others.
 *
 *     websocket_server [--host 127.0.0.1] [--port 8080]
 *
 * The protocol is that of `ws`, over node:http, over a stream_server: our sockets. A message has at
 * most 4,096 bytes. A client that does not read is disconnected when a megabyte waits for it. Try it
 * with: npx wscat -c ws://127.0.0.1:8080
 */
import { createServer, type Server } from 'node:http';
import { parseArgs } from 'node:util';
import type { InetAddress } from '@asyncore/socket';
import { stream_server } from '@asyncore/stream';
import { WebSocket, WebSocketServer } from 'ws';

const LONGEST_MESSAGE = 4096;
const MOST_WAITING = 1_000_000;

/** A server of Node's whose WebSockets talk to each other. */
function chat(): Server {
  const web = createServer((_request, response) => {
    response.writeHead(426, { Upgrade: 'websocket' }).end('this is for WebSockets\n');
  });
  const sockets = new WebSocketServer({ server: web, maxPayload: LONGEST_MESSAGE });
  sockets.on('connection', (speaker) => {
    speaker.on('error', () => {}); // a message too long, or none at all: ws closes the connection
    speaker.on('message', (data, isBinary) => {
      for (const listener of sockets.clients) {
        if (listener === speaker || listener.readyState !== WebSocket.OPEN) continue;
        if (listener.bufferedAmount > MOST_WAITING) listener.terminate();
        else listener.send(data, { binary: isBinary });
      }
    });
  });
  return web;
}

export class WebSocketChat extends stream_server {
  constructor(host: string, port: number) {
    super(chat());
    this.create_server([host, port]);
  }
}

export function main(args: string[]): void {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8080' },
    },
  });
  const server = new WebSocketChat(values.host, Number(values.port));
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`talking on ws://${host.includes(':') ? `[${host}]` : host}:${port}`);
}
