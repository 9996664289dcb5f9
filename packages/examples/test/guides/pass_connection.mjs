import { spawn } from 'node:child_process';
import { dispatcher, dispatcher_with_send, loop } from '@asyncore/core';
import { AF_UNIX, Socket, socketpair } from '@asyncore/socket';

class Worker extends dispatcher {
  handle_read() {
    const [data, fds] = this.recv_fds(100, 1);
    if (data.length === 0) return this.close(); // the parent is gone
    for (const fd of fds) {
      const session = new dispatcher_with_send(Socket.from_fd(fd));
      session.send(Buffer.from(`served by process ${process.pid}\n`));
      session.close_when_done();
    }
  }
}

class Front extends dispatcher {
  constructor(worker) {
    super();
    this.worker = worker;
  }

  handle_accepted(sock) {
    this.worker.send_fds([Buffer.from('a connection')], [sock.fileno()]);
    sock.close(); // the worker has a descriptor of its own
  }
}

if (process.argv[2] === 'worker') {
  new Worker(Socket.from_fd(3));
} else {
  const [ours, theirs] = socketpair(AF_UNIX);
  const stdio = ['inherit', 'inherit', 'inherit', theirs.fileno()];
  const child = spawn(process.execPath, [process.argv[1], 'worker'], { stdio });
  theirs.close();
  const front = new Front(ours);
  front.create_server(['127.0.0.1', Number(process.argv[2] ?? 8080)]);
  console.log(`process ${process.pid} passes to ${child.pid}, port ${front.getsockname()[1]}`);
}
await loop();
