import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  close,
  gaierror,
  is_resolved,
  OSError,
  POLLIN,
  resolve,
  SO_BROADCAST,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { newPackedAddress, pack, unpack } from '../dist/address.js';
import { binding } from '../dist/binding.js';
import {
  bound,
  connection,
  type Family,
  failure,
  freePath,
  linuxOnly,
  onEveryFamily,
  onLinux,
  own,
  pair,
  thrown,
  until,
} from './support.js';
import { detached } from './wrong_values.js';

const unix: Family = { title: '', family: AF_UNIX, free: freePath, works: true };
const through = (family: number, address: Address) => unpack(pack('connect', family, address));

onEveryFamily((family) => {
  it('getsockname gives the address that bind took', () => {
    const address = family.free();
    const socket = own(new Socket(family.family));
    socket.bind(address);
    const name = socket.getsockname();
    if (typeof address === 'string') return expect(name).toBe(address);
    expect(name.slice(0, 1)).toEqual(address.slice(0, 1));
    expect(name[1]).toBeGreaterThan(0);
    expect(name).toHaveLength(family.family === AF_INET ? 2 : 4);
  });

  it('an unbound socket has an address without a name or port', () => {
    const none: Record<number, Address> = {
      [AF_INET]: ['0.0.0.0', 0],
      [AF_INET6]: ['::', 0, 0, 0],
      [AF_UNIX]: '',
    };
    expect(own(new Socket(family.family)).getsockname()).toEqual(none[family.family]);
  });
});

describe('a Unix name that is not UTF-8', () => {
  const bytes = Buffer.from([...Buffer.from('spam '), 0xff, 0xfe, 0xc3]);
  const kinds: [string, () => Buffer][] = [
    ['path', () => Buffer.concat([Buffer.from(freePath()), bytes])],
  ];
  if (onLinux) {
    const pid = Buffer.from(`\0${process.pid}`);
    kinds.push(['abstract name (runs on Linux)', () => Buffer.concat([pid, bytes])]);
  }

  it.each(kinds)('is a Buffer, by which its socket is found: %s', (_, free) => {
    const address = free();
    const server = own(new Socket(AF_UNIX, SOCK_DGRAM));
    server.bind(address);
    expect(server.getsockname()).toEqual(address);
    const client = own(new Socket(AF_UNIX, SOCK_DGRAM));
    client.bind(Buffer.concat([address, Buffer.from('!')]));
    client.sendto(Buffer.from('question'), new Uint8Array(address));
    const [, from] = server.recvfrom(100);
    expect(from).toEqual(Buffer.concat([address, Buffer.from('!')]));
    (from as Buffer).fill(0); // it is ours: the next one is told right all the same
    client.sendmsg([Buffer.from('again')], [], 0, address);
    const [, , , sender] = server.recvmsg(100);
    if (sender === null) throw new Error('no sender');
    server.sendto(Buffer.from('answer'), sender);
    expect(client.recv(100).toString()).toBe('answer');
    const [fd] = pair();
    server.send_fds([Buffer.from('x')], [fd.fileno()], 0, sender);
    const [, [received]] = client.recv_fds(1, 1);
    close(received);
    client.connect(address);
    expect(client.getpeername()).toEqual(address);
    client.send(Buffer.from('connected'));
    expect(server.recvfrom(100)[0].toString()).toBe('connected');
  });

  it.each(kinds)('comes with an accepted connection: %s', (_, free) => {
    const [listener, client] = [own(new Socket(AF_UNIX)), own(new Socket(AF_UNIX))];
    const [at, from] = [free(), Buffer.concat([free(), Buffer.from('!')])];
    listener.bind(at);
    listener.listen();
    client.bind(from);
    expect(client.connect_ex(at)).toBe(0);
    const [accepted, address] = listener.accept();
    own(accepted);
    expect(address).toEqual(from);
  });

  it('is readable in errors', () => {
    const socket = own(new Socket(AF_UNIX, SOCK_DGRAM));
    const path = Buffer.from('/nowhere/\xff\xfe', 'latin1');
    expect(failure(() => socket.connect(path))).toMatchObject({
      message: 'connect ENOENT /nowhere/\\xff\\xfe',
      address: '/nowhere/\\xff\\xfe',
    });
    const name = Buffer.from('\0spam \xff', 'latin1');
    expect(failure(() => socket.sendto(Buffer.from('x'), name)).address).toBe('@spam \\xff');
    const utf8 = Buffer.from('/nowhere/grün');
    expect(failure(() => socket.connect(utf8)).address).toBe('/nowhere/grün');
  });

  it('is an address that needs no look-up', async () => {
    expect(is_resolved(AF_UNIX, bytes)).toBe(true);
    expect(await resolve(AF_UNIX, bytes)).toBe(bytes);
  });
});

it('a Unix name given as bytes that are UTF-8 comes back as a string', () => {
  const path = freePath();
  const socket = own(new Socket(AF_UNIX, SOCK_DGRAM));
  socket.bind(Buffer.from(path));
  expect(socket.getsockname()).toBe(path);
});

it.each([
  ['a NUL in a path', () => Buffer.from('/a\0b'), TypeError],
  ['bytes that were transferred away', () => detached(new Uint8Array([47, 97])), TypeError],
  ['other than bytes', () => new Uint16Array(4), TypeError],
  ['more than 108 bytes', () => Buffer.alloc(109, 'a'), OSError],
])('a Unix name with %s is refused', (_, name, Kind) => {
  const socket = own(new Socket(AF_UNIX, SOCK_DGRAM));
  expect(thrown(() => socket.bind(name() as Uint8Array))).toBeInstanceOf(Kind);
});

it.each([AF_INET, AF_INET6])('bytes are no address of family %i', (family) => {
  const address = Buffer.from('127.0.0.1');
  expect(thrown(() => is_resolved(family, address))).toBeInstanceOf(TypeError);
});

describe('hosts', () => {
  it.each([
    [AF_INET, '', ['0.0.0.0', 80]],
    [AF_INET, 'localhost', ['127.0.0.1', 80]],
    [AF_INET, 'LOCALHOST.', ['127.0.0.1', 80]],
    [AF_INET, 'db.localhost', ['127.0.0.1', 80]],
    [AF_INET, '<broadcast>', ['255.255.255.255', 80]],
    [AF_INET, '192.0.2.7', ['192.0.2.7', 80]],
    [AF_INET6, '', ['::', 80, 0, 0]],
    [AF_INET6, 'localhost', ['::1', 80, 0, 0]],
    [AF_INET6, 'ip6-localhost', ['::1', 80, 0, 0]],
    [AF_INET6, '2001:DB8::0:7', ['2001:db8::7', 80, 0, 0]],
    [AF_INET6, '::ffff:192.0.2.7', ['::ffff:192.0.2.7', 80, 0, 0]],
  ])('of family %i: %j is %j', (family, host, unpacked) => {
    expect(through(family, [host, 80])).toEqual(unpacked);
  });

  it.each(['example.org', 'localhost.example.org', '1.2.3', 'a'.repeat(300), 'ü'.repeat(50)])(
    '%s has to be looked up first',
    (host) => {
      expect(is_resolved(AF_INET, [host, 80])).toBe(false);
      const error = thrown(() => own(new Socket()).connect([host, 80]));
      expect(error).toBeInstanceOf(gaierror);
      expect(error).toMatchObject({
        message: `connect ENOTFOUND ${host}:80: a name that has to be looked up first: see resolve() and create_connection()`,
        code: 'ENOTFOUND',
        hostname: host,
        syscall: 'connect',
        address: host,
        port: 80,
      });
    },
  );

  it.each([
    [AF_INET, '::1', 'an IPv6 address needs a socket of AF_INET6'],
    [
      AF_INET6,
      '127.0.0.1',
      'an IPv4 address needs a socket of AF_INET (or, for AF_INET6, the form ::ffff:192.0.2.1)',
    ],
  ])('one of another family than %i (%s) throws EAFNOSUPPORT', (family, host, reason) => {
    const error = failure(() => own(new Socket(family)).bind([host, 80]));
    expect(error).toMatchObject({ code: 'EAFNOSUPPORT', address: host, port: 80 });
    expect(error.message).toBe(`bind EAFNOSUPPORT ${host}:80: ${reason}`);
  });

  it('<broadcast> is where a datagram to all goes', () => {
    const socket = own(new Socket(AF_INET, SOCK_DGRAM));
    const send = () => socket.sendto(Buffer.from('x'), ['<broadcast>', 9]);
    expect(failure(send)).toMatchObject({ code: 'EACCES' });
    socket.setsockopt(SOL_SOCKET, SO_BROADCAST, true);
    expect(socket.getsockopt(SOL_SOCKET, SO_BROADCAST)).toBe(1);
  });
});

describe('what is no address', () => {
  it.each([
    [
      AF_INET,
      'a path',
      'TypeError',
      "address must be [host, port]; a path, such as 'a path', is for a socket of AF_UNIX",
    ],
    [
      AF_INET,
      null,
      'TypeError',
      "address must be [host, port], such as ['127.0.0.1', 8080]: got null",
    ],
    [AF_INET, ['127.0.0.1'], 'TypeError', "address must be [host, port]: got [ '127.0.0.1' ]"],
    [AF_INET6, ['::1', 80, 0], 'TypeError', "address must be [host, port]: got [ '::1', 80, 0 ]"],
    [
      AF_INET,
      8080,
      'TypeError',
      "address must be [host, port], such as ['127.0.0.1', 8080]: got a number",
    ],
    [AF_INET, ':8080', 'TypeError', "address must be [host, port]: write ['127.0.0.1', 8080]"],
    [
      AF_INET,
      'example.org:80',
      'TypeError',
      "address must be [host, port]: write ['example.org', 80]",
    ],
    [AF_INET6, '[::1]:80', 'TypeError', "address must be [host, port]: write ['::1', 80]"],
    [
      AF_INET,
      { host: '192.0.2.7', port: 80 },
      'TypeError',
      "address must be [host, port]: write ['192.0.2.7', 80]",
    ],
    [AF_INET, [80, '127.0.0.1'], 'TypeError', 'host must be a string without NUL characters'],
    [AF_INET, ['127.0.0.1\0', 80], 'TypeError', 'host must be a string without NUL characters'],
    [AF_INET, ['127.0.0.1', '80'], 'TypeError', "port must be a number: got '80'"],
    [
      AF_INET,
      ['127.0.0.1', 65536],
      'RangeError',
      'port must be an integer from 0 to 65535: got 65536',
    ],
    [AF_INET, ['127.0.0.1', -1], 'RangeError', 'port must be an integer from 0 to 65535: got -1'],
    [AF_INET, ['127.0.0.1', 1.5], 'RangeError', 'port must be an integer from 0 to 65535: got 1.5'],
    [
      AF_INET6,
      ['::1', 80, 2 ** 20, 0],
      'RangeError',
      'flowinfo must be an integer from 0 to 1048575: got 1048576',
    ],
    [
      AF_INET6,
      ['::1', 80, 0, -1],
      'RangeError',
      'scope_id must be an integer from 0 to 2147483647: got -1',
    ],
    [
      AF_UNIX,
      ['127.0.0.1', 80],
      'TypeError',
      'address must be a path (a string or bytes) for AF_UNIX',
    ],
  ])('family %i: %j throws %s: %s', (family, address, name, message) => {
    const socket = own(new Socket(family, SOCK_DGRAM));
    const error = thrown(() => socket.connect(address as never));
    expect(error).toMatchObject({ name, message: `connect: ${message}` });
  });
});

describe('looking up', () => {
  it('gives an address that is none to look up back', async () => {
    const address: Address = ['127.0.0.1', 80];
    expect(await resolve(AF_INET, address)).toBe(address);
    expect(await resolve(AF_INET, ['localhost', 80])).toEqual(['localhost', 80]);
    expect(await resolve(AF_UNIX, '/a/path')).toBe('/a/path');
    expect(is_resolved(AF_UNIX, '/a/path')).toBe(true);
  });

  it('finds an address that system calls take', async () => {
    // An old way to write an address, which getaddrinfo(3) knows and needs no network for.
    expect(await resolve(AF_INET, ['127.1', 80])).toEqual(['127.0.0.1', 80]);
  });

  it('rejects with an error that says which host was not found', async () => {
    const error = await resolve(AF_INET, ['no-such-host.invalid', 80]).catch((error) => error);
    expect(error).toBeInstanceOf(gaierror);
    expect(error).toMatchObject({
      message: `connect ${error.code} no-such-host.invalid:80`,
      hostname: 'no-such-host.invalid',
      errno: expect.any(Number),
      syscall: 'connect',
      address: 'no-such-host.invalid',
      port: 80,
    });
    expect(['ENOTFOUND', 'EAI_AGAIN']).toContain(error.code);
  });

  it('rejects what is no address', async () => {
    await expect(resolve(AF_INET, 'a path')).rejects.toThrow(TypeError);
    await expect(resolve(AF_INET, ['host', -1])).rejects.toThrow(RangeError);
  });
});

describe('IPv6', () => {
  it('keeps flowinfo and scope id', () => {
    expect(through(AF_INET6, ['fe80::1', 80, 0xfffff, 7])).toEqual(['fe80::1', 80, 0xfffff, 7]);
    expect(through(AF_INET6, ['fe80::1', 80])).toEqual(['fe80::1', 80, 0, 0]);
  });

  const [lo, index] = interfaceOf('::1');

  it.skipIf(!lo)(`takes a zone as scope id (runs where ::1 is up)`, () => {
    expect(through(AF_INET6, [`fe80::1%${lo}`, 80])).toEqual(['fe80::1', 80, 0, index]);
    expect(through(AF_INET6, [`::1%${lo}`, 80])).toEqual(['::1', 80, 0, index]);
    expect(through(AF_INET6, ['fe80::1%7', 80])).toEqual(['fe80::1', 80, 0, 7]);
    // A scope id that is given goes first.
    expect(through(AF_INET6, [`fe80::1%${lo}`, 80, 0, 9])).toEqual(['fe80::1', 80, 0, 9]);
  });

  it.skipIf(!lo)('connects to an address with a zone (runs where ::1 is up)', () => {
    const listener = own(new Socket(AF_INET6));
    listener.bind([`::1%${lo}`, 0]);
    listener.listen();
    const client = own(new Socket(AF_INET6));
    client.connect_ex([`::1%${lo}`, listener.getsockname()[1] as number]);
    until(listener, POLLIN);
    own(listener.accept()[0]);
  });

  it.each(['no-such-zone', '', '0', '7x', '-1', '4294967295', '99999999999999999999'])(
    'throws ENODEV for the zone %j',
    (zone) => {
      const host = `fe80::1%${zone}`;
      const error = failure(() => through(AF_INET6, [host, 0]));
      expect(error).toMatchObject({ code: 'ENODEV', syscall: 'connect', address: host });
    },
  );

  function interfaceOf(address: string): [name?: string, index?: number] {
    for (const [name, all = []] of Object.entries(networkInterfaces())) {
      if (!all.some((one) => one.address === address)) continue;
      // What the system calls say of it, by the one road that JavaScript has.
      const packed = newPackedAddress();
      binding.address_pack(packed, AF_INET6, `fe80::1%${name}`, 0, 0, 0);
      return [name, unpack(packed)?.[3] as number];
    }
    return [];
  }
});

describe('Unix names', () => {
  it('a path is a socket in the file system', () => {
    const path = freePath();
    own(new Socket(AF_UNIX)).bind(path);
    expect(existsSync(path)).toBe(true);
  });

  it('characters beyond ASCII are UTF-8', () => {
    const path = `${freePath()} ü 🚪`;
    const socket = own(new Socket(AF_UNIX));
    socket.bind(path);
    expect(existsSync(path)).toBe(true);
    expect(socket.getsockname()).toBe(path);
  });

  const room = onLinux ? 108 : 104; // sun_path, unix(7)

  it.each([room - 1, room])('a path of %i bytes fits and comes back whole', (length) => {
    const folder = mkdtempSync(join(tmpdir(), 'a'));
    try {
      const path = `${folder}/`.padEnd(length, 'x');
      const listener = own(new Socket(AF_UNIX));
      listener.bind(path);
      listener.listen();
      expect(listener.getsockname()).toBe(path);
      const client = own(new Socket(AF_UNIX));
      client.connect(path);
      expect(client.getpeername()).toBe(path);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('a longer path throws ENAMETOOLONG with the path', () => {
    const path = `/${'x'.repeat(room)}`;
    const error = failure(() => own(new Socket(AF_UNIX)).bind(path));
    expect(error).toMatchObject({ code: 'ENAMETOOLONG', syscall: 'bind', address: path });
    expect(error.message).toBe(`bind ENAMETOOLONG ${path}`);
  });

  it('a NUL inside a path is refused', () => {
    const error = thrown(() => own(new Socket(AF_UNIX)).connect('/tmp/a\0b'));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ message: expect.stringContaining('NUL') });
  });

  it('an unnamed peer is the empty string', () => {
    const [client, server] = connection(unix);
    expect([client.getsockname(), server.getpeername()]).toEqual(['', '']);
    const [a, b] = pair();
    expect([a.getsockname(), b.getpeername()]).toEqual(['', '']);
  });

  describe.skipIf(!onLinux)(linuxOnly('abstract'), () => {
    it('every byte counts, NULs and trailing ones too', () => {
      const name = `\0asyncore\0${process.pid}\0`;
      const socket = own(new Socket(AF_UNIX));
      socket.bind(name);
      expect(socket.getsockname()).toBe(name);
      own(new Socket(AF_UNIX)).bind(name.slice(0, -1));
    });

    it('names take 108 bytes with their NUL', () => {
      const longest = `\0${process.pid}`.padEnd(108, 'x');
      const socket = own(new Socket(AF_UNIX));
      expect(failure(() => socket.bind(`${longest}x`)).code).toBe('ENAMETOOLONG');
      socket.bind(longest);
      expect(socket.getsockname()).toBe(longest);
    });

    it('an error shows the NUL as @', () => {
      const socket = own(new Socket(AF_UNIX));
      const error = failure(() => socket.connect('\0nobody is here'));
      expect(error).toMatchObject({ code: 'ECONNREFUSED', address: '@nobody is here' });
      expect(error.message).toBe('connect ECONNREFUSED @nobody is here');
    });

    it('bind without a name takes a free one', () => {
      const socket = own(new Socket(AF_UNIX));
      socket.bind('');
      expect(socket.getsockname()).toMatch(/^\0[0-9a-f]{5}$/);
    });
  });
});

it('a socket of another family has no addresses here', () => {
  const socket = own(bound(unix, SOCK_DGRAM));
  Object.defineProperty(socket, 'family', { value: 1234 });
  expect(failure(() => socket.bind('x'))).toMatchObject({ code: 'EAFNOSUPPORT', syscall: 'bind' });
});
