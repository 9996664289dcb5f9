import { dispatcher, loop } from '@asyncore/core';
import {
  AF_UNIX,
  CMSG_SPACE,
  SCM_CREDENTIALS,
  SO_PASSCRED,
  SOCK_DGRAM,
  SOL_SOCKET,
} from '@asyncore/socket';

const UCRED = 12; // struct ucred: pid, uid and gid, four bytes each (unix(7))

class Receiver extends dispatcher {
  constructor(path) {
    super();
    this.create_socket(AF_UNIX, SOCK_DGRAM);
    this.setsockopt(SOL_SOCKET, SO_PASSCRED, 1);
    this.bind(path);
  }

  handle_read() {
    const [text, messages] = this.recvmsg(65536, CMSG_SPACE(UCRED));
    for (const [level, type, data] of messages) {
      if (level !== SOL_SOCKET || type !== SCM_CREDENTIALS) continue;
      const isMine =
        data.readInt32LE(0) === process.pid && data.readInt32LE(4) === process.getuid();
      console.log(`${text} ${isMine ? 'came from this process' : 'came from elsewhere'}`);
    }
    this.close();
  }
}

const path = `\0example-${process.pid}`; // an abstract name of Linux: no file to remove
new Receiver(path);

const sender = new dispatcher();
sender.create_socket(AF_UNIX, SOCK_DGRAM);
sender.sendto(Buffer.from('a datagram'), path);
sender.close();
await loop();
