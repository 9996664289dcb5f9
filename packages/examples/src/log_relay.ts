/**
 * A log relay: programs send it lines by UDP, and people watch them by TCP.
 *
 *     log_relay [--udp 5140] [--tcp 5141]
 *
 * It is docs/porting/log_relay.py, ported line by line. To try it: nc 127.0.0.1 5141, and elsewhere
 * echo disk full | nc -u -N 127.0.0.1 5140. A viewer may say: grep disk, count, quit.
 */
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { type Address, dispatcher, loop, type Socket, socket_map } from '@asyncore/core';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM } from '@asyncore/socket';

/** Takes datagrams and shows them to every viewer. */
class Collector extends dispatcher {
  viewers = new Set<Viewer>();
  count = 0;

  constructor(address: Address) {
    super();
    this.create_socket(AF_INET, SOCK_DGRAM);
    this.bind(address);
  }

  writable() {
    return false;
  }

  handle_read() {
    const [data, address] = this.recvfrom(8192);
    this.count += 1;
    const line = `${address?.[0]} ${data.toString().trimEnd()}`;
    for (const viewer of this.viewers) viewer.show(line);
  }
}

/** Somebody who watches, and may say what: a command in each line. */
class Viewer extends async_chat {
  collector: Collector;
  line: Buffer[] = [];
  wanted = '';

  constructor(sock: Socket, collector: Collector) {
    super(sock);
    this.set_terminator('\n');
    this.collector = collector;
    collector.viewers.add(this);
  }

  collect_incoming_data(data: Buffer) {
    this.line.push(data);
  }

  found_terminator() {
    const words = Buffer.concat(this.line).toString().trim().split(/\s+/);
    this.line = [];
    if (words[0] === '') return;
    if (words[0] === 'grep') {
      this.wanted = words.slice(1).join(' ');
      this.say(`+ lines with "${this.wanted}"`);
    } else if (words[0] === 'count') {
      this.say(`+ ${this.collector.count} so far`);
    } else if (words[0] === 'quit') {
      this.say('+ bye');
      this.close_when_done();
    } else {
      this.say(`- what is ${words[0]}? grep, count, quit`);
    }
  }

  show(line: string) {
    if (line.includes(this.wanted)) this.say(line);
  }

  say(line: string) {
    this.push(Buffer.from(`${line}\r\n`));
  }

  handle_close() {
    this.collector.viewers.delete(this);
    this.close();
  }
}

/** Makes a viewer of everybody who connects. */
class Server extends dispatcher {
  collector: Collector;

  constructor(address: Address, collector: Collector) {
    super();
    this.collector = collector;
    this.create_socket(AF_INET, SOCK_STREAM);
    this.set_reuse_addr();
    this.bind(address);
    this.listen(5);
  }

  handle_accepted(sock: Socket, addr: Address) {
    this.log_info(`a viewer from ${addr[0]}`);
    new Viewer(sock, this.collector);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      udp: { type: 'string', default: '5140' },
      tcp: { type: 'string', default: '5141' },
    },
  });
  const collector = new Collector(['127.0.0.1', Number(values.udp)]);
  const server = new Server(['127.0.0.1', Number(values.tcp)], collector);
  const udp = collector.getsockname()[1];
  const tcp = server.getsockname()[1];
  console.log(`lines to UDP port ${udp}, viewers to TCP port ${tcp}`);
  let told = 0;
  while (socket_map.size > 0) {
    await loop({ timeout: 30, count: 1 });
    if (collector.count >= told + 100) {
      told = collector.count;
      console.log(`${told} lines`);
    }
  }
}
