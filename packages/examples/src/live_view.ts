/**
 * An echo server that shows itself in the terminal: its channels as a table, and how much goes through.
 *
 *     live_view [--host 127.0.0.1] [--port 8080] [--every 1]
 *
 * It calls inspect_map every --every seconds. `show_live` does the same for any server: call it before
 * loop(). Into a pipe or a file it writes a line of throughput each time, and no table. Try it with:
 * nc 127.0.0.1 8080
 */
import { subscribe } from 'node:diagnostics_channel';
import { parseArgs } from 'node:util';
import {
  type channel_row,
  type close_message,
  inspect_map,
  loop,
  map_report,
  socket_map,
} from '@asyncore/core';
import type { InetAddress } from '@asyncore/socket';
import { EchoServer } from './echo_server.js';

const BARS = '▁▂▃▄▅▆▇█';
const CLEAR = '\x1b[H\x1b[J';

/** How much a server moves, from one look to the next. */
class Throughput {
  /** Bytes of the channels that have closed. */
  #gone = 0;
  #before = 0;
  readonly history: number[] = [];

  constructor() {
    subscribe('asyncore:channel:close', (message) => {
      const { bytes_in, bytes_out } = message as close_message;
      this.#gone += (bytes_in ?? 0) + (bytes_out ?? 0);
    });
  }

  /** Bytes per second, in and out together, since the last look. */
  look(rows: readonly channel_row[], seconds: number): number {
    let total = this.#gone;
    for (const { bytes_in, bytes_out } of rows) total += (bytes_in ?? 0) + (bytes_out ?? 0);
    const rate = Math.max(0, total - this.#before) / seconds;
    this.#before = total;
    this.history.push(rate);
    if (this.history.length > 60) this.history.shift();
    return rate;
  }

  /** The last minute, a sign for each look. */
  bars(): string {
    const most = Math.max(1, ...this.history);
    const sign = (rate: number) => BARS[Math.round((rate / most) * (BARS.length - 1))];
    return this.history.map(sign).join('');
  }
}

function readable(bytes: number): string {
  if (bytes < 1e3) return `${bytes.toFixed(0)} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Shows the channels of `map` on `out` every so many seconds. What it returns ends it. */
export function show_live(title: string, every = 1, out = process.stdout, map = socket_map) {
  const throughput = new Throughput();
  let before = performance.now();
  const draw = () => {
    const now = performance.now();
    const { rows } = inspect_map(map);
    const rate = throughput.look(rows, (now - before) / 1000);
    before = now;
    const line = `${rows.length} channels, ${readable(rate)}/s`;
    if (!out.isTTY) {
      out.write(`${line}\n`);
      return;
    }
    const room = Math.max(1, (out.rows || 24) - 6);
    const more = rows.length > room ? `\n… and ${rows.length - room} more` : '';
    const table = new map_report(rows.slice(0, room));
    const lines = `${title}\n${line}  ${throughput.bars()}\n\n${table}${more}\n`.split('\n');
    out.write(CLEAR + lines.map((each) => each.slice(0, out.columns || 80)).join('\n'));
  };
  const timer = setInterval(draw, every * 1000).unref();
  draw();
  return () => clearInterval(timer);
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8080' },
      every: { type: 'string', default: '1' },
    },
  });
  const every = Number(values.every);
  if (!(every > 0 && every < 86400)) throw new Error('--every must be a number of seconds');
  const server = new EchoServer(values.host, Number(values.port));
  const [host, port] = server.getsockname() as InetAddress;
  const title = `echoing on ${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (!process.stdout.isTTY) console.log(title);
  show_live(title, every);
  await loop();
}
