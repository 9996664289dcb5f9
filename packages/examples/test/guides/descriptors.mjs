import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dispatcher, loop } from '@asyncore/core';
import { file_dispatcher } from '@asyncore/file';
import { close, socketpair } from '@asyncore/socket';

const folder = mkdtempSync(join(tmpdir(), 'watched-'));

const does = {
  inotify: (data) => {
    const name = data.subarray(16).toString().replace(/\0+$/, ''); // struct inotify_event
    console.log(`inotify: ${name} was made`);
  },
  timerfd: () => console.log('timerfd: is due'),
  eventfd: (data) => console.log(`eventfd: ${data.readBigUInt64LE()}`),
};

class Watcher extends file_dispatcher {
  constructor(fd, name) {
    super(fd);
    close(fd); // the channel has a duplicate
    this.name = name;
  }

  writable() {
    return false; // an eventfd always takes a number
  }

  handle_read() {
    does[this.name](this.recv(4096));
    this.close();
  }
}

class Receiver extends dispatcher {
  handle_read() {
    const [names, fds] = this.recv_fds(100, 3);
    this.close();
    for (const [i, name] of String(names).split(' ').entries()) new Watcher(fds[i], name);
    writeFileSync(join(folder, 'news'), '');
  }
}

const [ours, theirs] = socketpair();
new Receiver(ours);
const helper = join(import.meta.dirname, 'descriptors.py');
spawn('python3', [helper, folder], { stdio: ['ignore', 'inherit', 'inherit', theirs.fileno()] });
theirs.close();
await loop();
rmSync(folder, { recursive: true });
