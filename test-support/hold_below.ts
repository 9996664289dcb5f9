import { Socket } from '@asyncore/socket';

/**
 * Sockets at every number below `fd` that is free: while they are open, the next descriptor gets `fd`,
 * if that is free too. A test that is about a number used again cannot do without: what an earlier test
 * left is collected at any time, and Node's threads open files and close them.
 */
export function holdBelow(fd: number): Socket[] {
  const held: Socket[] = [];
  let next = new Socket();
  for (; next.fileno() < fd; next = new Socket()) held.push(next);
  next.close();
  return held;
}
