import { AF_INET6, Socket } from '@asyncore/socket';

/** Whether this machine has ::1. */
export function hasInet6(): boolean {
  const socket = new Socket(AF_INET6);
  try {
    socket.bind(['::1', 0]);
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}
