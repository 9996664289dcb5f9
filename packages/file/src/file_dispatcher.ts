import { type channel_map, dispatcher } from '@asyncore/core';
import { POLLNVAL, poll } from '@asyncore/socket';
import { binding } from '@asyncore/socket/kernel';
import { borrow, descriptorOf, type file_like } from './file_like.js';
import { file_wrapper } from './file_wrapper.js';

/**
 * A dispatcher for a descriptor that is not a socket: a pipe, a terminal, a device, a file. It is connected
 * from the start, and the end of the file calls the same handlers as the end of a connection.
 *
 * https://docs.python.org/3.11/library/asyncore.html#asyncore.file_dispatcher
 */
export class file_dispatcher extends dispatcher<file_wrapper> {
  /**
   * Works on a duplicate of `fd`. Until the channel is closed, detached or garbage collected, both
   * descriptors are non-blocking, since they share the open file, and a stream given as `fd` does not read
   * by itself.
   *
   * @throws OSError (EBADF) when `fd` is not open
   * @throws TypeError when it has no descriptor, Error when it cannot be waited on (a directory)
   */
  constructor(fd: file_like, map: channel_map | null = null) {
    super(null, map);
    this.set_file(fd);
  }

  /** Takes another file, and closes the duplicate of the former one. Throws as the constructor does. */
  set_file(fd: file_like): void {
    const wrapper = new file_wrapper(descriptorOf(fd));
    const { socket } = this;
    try {
      checkWaitable(wrapper.fd);
      wrapper.setblocking(false);
      borrow(fd, wrapper);
      this.connected = true;
      this.set_socket(wrapper);
    } catch (error) {
      wrapper.close();
      throw error;
    } finally {
      if (this.socket !== socket) socket?.close();
    }
  }
}

/** Throws an Error for a directory, which poll(2) calls always ready although it can only be listed. */
function checkWaitable(fd: number): void {
  if (binding.fstat(fd).isDirectory()) {
    throw new Error('file_dispatcher: fd is a directory, which cannot be waited on');
  }
  const poller = new poll();
  poller.register(fd, 0);
  if (poller.poll(0).some(([, events]) => events & POLLNVAL)) {
    throw new Error('file_dispatcher: fd cannot be waited on: poll(2) refuses it');
  }
}
