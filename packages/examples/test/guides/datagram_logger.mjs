import { appendFileSync, rmSync } from 'node:fs';
import { dispatcher, loop } from '@asyncore/core';
import { AF_UNIX, SOCK_DGRAM } from '@asyncore/socket';

const [path, log] = process.argv.slice(2);

class Logger extends dispatcher {
  constructor() {
    super();
    this.create_socket(AF_UNIX, SOCK_DGRAM);
    rmSync(path, { force: true });
    this.bind(path);
  }

  handle_read() {
    const [message] = this.recvfrom(65536);
    appendFileSync(log, `${new Date().toISOString()} ${message}\n`);
  }

  close() {
    super.close();
    rmSync(path, { force: true });
  }
}

const logger = new Logger();
process.once('SIGTERM', () => logger.close()); // the loop ends with its last channel
console.log(`logging from ${path}`);
await loop();
