import { Socket, socketpair, tcp_traffic } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';

const isLinux = process.platform === 'linux';

function connection(): { ours: Socket; theirs: Socket; close(): void } {
  const door = new Socket();
  door.bind(['127.0.0.1', 0]);
  door.listen();
  const ours = new Socket();
  ours.connect_ex(door.getsockname());
  door.setblocking(true);
  const [theirs] = door.accept();
  const close = () => [door, ours, theirs].forEach((each) => void each.close());
  return { ours, theirs, close };
}

describe.skipIf(!isLinux)('tcp_traffic (runs on Linux, which has TCP_INFO)', () => {
  it('counts the bytes of both ends, without SYN and FIN', () => {
    const { ours, theirs, close } = connection();
    theirs.setblocking(true);
    ours.setblocking(true);
    ours.send(Buffer.alloc(1000));
    theirs.recv(1000);
    theirs.send(Buffer.alloc(10));
    theirs.shutdown(1);
    ours.recv(10);
    ours.recv(10); // the end
    expect(tcp_traffic(ours.fileno())).toMatchObject({ bytes_in: 10, bytes_out: 1000 });
    expect(tcp_traffic(theirs.fileno())).toMatchObject({ bytes_in: 1000, bytes_out: 10 });
    expect(tcp_traffic(ours.fileno())?.idle).toBeLessThan(60);
    close();
  });
});

it('tells nothing of what is no connection of TCP', () => {
  const [ours, theirs] = socketpair();
  const door = new Socket();
  door.bind(['127.0.0.1', 0]);
  door.listen();
  for (const { fileno } of [ours, theirs, door].map((each) => ({ fileno: each.fileno() }))) {
    expect(tcp_traffic(fileno)).toBe(null);
  }
  for (const each of [ours, theirs, door]) each.close();
  expect(tcp_traffic(-1)).toBe(null);
  expect(() => tcp_traffic('1' as never)).toThrow('tcp_traffic: fd must be an integer');
});
