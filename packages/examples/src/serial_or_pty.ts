/**
 * Talks in lines to a serial line, or to a pseudo-terminal: prints what it says until it hangs up.
 *
 *     serial_or_pty [--speed 115200] DEVICE [LINE...]
 *
 * To try it without a device: socat PTY,link=/tmp/device,rawer,wait-slave SYSTEM:'while read l; do echo you said $l; done'
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { loop } from '@asyncore/core';
import { file_wrapper } from '@asyncore/file';

/** O_NONBLOCK: opening does not wait for a modem. O_NOCTTY: a Ctrl-C on the line does not end this program. */
const FLAGS = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;

/** Raw: bytes come and go as they are, without echo or line editing. */
function setUp(fd: number, path: string, speed: string): void {
  const { status, error, stderr } = spawnSync('stty', ['raw', '-echo', speed], {
    stdio: [fd, 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${path}: ${stderr.trim()}`);
}

export class Device extends async_chat<file_wrapper> {
  constructor(path: string, speed: string) {
    const fd = openSync(path, FLAGS);
    setUp(fd, path, speed);
    super(new file_wrapper(fd));
    closeSync(fd); // the channel has a duplicate
    this.set_terminator('\n');
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    console.log(String(this._get_data()).trimEnd());
  }
}

export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { speed: { type: 'string', default: '115200' } },
  });
  const [path, ...lines] = positionals;
  if (!path) throw new Error('usage: serial_or_pty [--speed 115200] DEVICE [LINE...]');
  const device = new Device(path, values.speed);
  for (const line of lines) device.push(Buffer.from(`${line}\r\n`));
  await loop();
}
