/**
 * A Redis server: strings that may expire, all in memory, for redis-cli and redis-benchmark.
 *
 *     redis_server [--host 127.0.0.1] [--port 6379]
 *
 * Clients send many requests without waiting for answers, so one chunk of input may hold hundreds.
 * Without a terminator, async_chat hands on chunks as they come, and the requests that are whole are
 * parsed where they lie. What is cut off at the end of a chunk is awaited with a terminator: a line
 * with '\n', a bulk string, however long, with the number of bytes that it lacks. Answers are pushed
 * one by one, and leave together. Try it with: redis-cli SET greeting hello EX 60
 *
 * In redis_server/:
 *
 *     connection.ts  requests in, in whatever pieces, and answers out
 *     words.ts       requests that somebody types
 *     commands.ts    what each command does
 *     database.ts    what is stored
 *     glob.ts        patterns of keys
 */
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import type { InetAddress, Socket } from '@asyncore/socket';
import { RedisHandler } from './redis_server/connection.js';

export { RedisHandler };

export class RedisServer extends dispatcher {
  constructor(host: string, port: number) {
    super();
    this.create_server([host, port]);
    this.set_keep_alive({ idle: 300 }); // for all connections, as Redis has it
  }

  handle_accepted(sock: Socket) {
    new RedisHandler(sock);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '6379' },
    },
  });
  const server = new RedisServer(values.host, Number(values.port));
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`serving Redis on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
