/** TLS with other programs: OpenSSL's, curl, Python's ssl and smtplib. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { SHUT_WR, type Socket } from '@asyncore/socket';
import { describeTls, folder, identity, LOCAL } from '@asyncore/test-support/certificates';
import { PATIENCE } from '@asyncore/test-support/stage';
import { has } from '@asyncore/test-support/tools';
import { tls_dispatcher, type tls_options } from '@asyncore/tls';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Channel, CLIENT, Door, Lines, onEveryPoller, SERVER, Stage } from './support.js';

vi.setConfig({ testTimeout: 60_000 });

/** `it`, or a test that says how to make it run. */
function itWith(cure: string, ...command: [name: string, ...args: string[]]) {
  const isThere = has(cure, ...command);
  return (name: string, body: () => Promise<void>) =>
    it.skipIf(!isThere)(isThere ? name : `${name} (${cure})`, body);
}
const itWithCurl = itWith('apt-get install curl', 'curl', '--version');
const itWithPython = itWith('apt-get install python3', 'python3', '-c', 'import ssl, smtplib');

/** A program and what it has said, ended with the test. */
class Program {
  readonly child: ChildProcessWithoutNullStreams;
  said = '';
  /** Of its end; null while it runs. */
  code: number | null = null;

  constructor(
    readonly stage: Stage,
    command: string,
    ...args: string[]
  ) {
    this.child = spawn(command, args);
    onTestFinished(() => void this.child.kill());
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (data) => {
        this.said += data;
        stage.say('program');
      });
    }
    this.child.stdin.on('error', () => {});
    this.child.on('close', (code) => {
      this.code = code ?? -1;
      stage.say('program');
    });
  }

  /** Gives it `text` on its standard input. */
  type(text: string): this {
    this.child.stdin.write(text);
    return this;
  }

  async ends(): Promise<number | null> {
    await this.#until(() => this.code !== null);
    return this.code;
  }

  async says(what: string | RegExp): Promise<void> {
    await this.#until(() => this.said.search(what) >= 0);
  }

  /** With the loop, as long as there is a channel. */
  async #until(happened: () => boolean): Promise<void> {
    for (const end = performance.now() + PATIENCE * 1000; !happened(); ) {
      if (performance.now() > end) throw new Error(`it has said ${this.said}`);
      if (this.stage.map.size > 0) await this.stage.loop({ timeout: 0.02, count: 1 });
      else await new Promise(setImmediate);
    }
  }
}

/** Answers each line with itself, and ends after `QUIT`. */
class Echo extends Lines {
  override found(line: string): void {
    if (line === 'QUIT') this.close_when_done();
    else this.push(Buffer.from(`${line}!\r\n`));
  }
}

/** A server whose channels speak TLS with `options` from the start. */
function serving(stage: Stage, options: tls_options, Kind: typeof Lines = Echo): Door {
  return new Door(stage, (sock) => {
    const channel = new Kind(stage, 'server', sock);
    channel.set_terminator(['\r\n', '\n']);
    channel.start_tls(options);
  });
}

function s_client(stage: Stage, door: Door, ...args: string[]): Program {
  const to = ['-connect', `127.0.0.1:${door.port}`, '-CAfile', LOCAL.certFile];
  const checks = ['-verify_return_error', '-servername', 'localhost'];
  return new Program(stage, 'openssl', 's_client', ...to, ...checks, ...args);
}

function python(stage: Stage, program: string, ...args: string[]): Program {
  return new Program(stage, 'python3', '-c', program, LOCAL.certFile, ...args);
}

const VERSIONS = ['1.2', '1.3'] as const;
const only = (version: string) =>
  ({ minVersion: `TLSv${version}`, maxVersion: `TLSv${version}` }) as tls_options;

describeTls('with OpenSSL', () => {
  onEveryPoller((use_poll) => {
    it.each(VERSIONS)('s_client talks to a server of TLS %s, and sees it end', async (version) => {
      const on = new Stage(use_poll);
      const door = serving(on, { ...SERVER, ALPNProtocols: ['one', 'two'] });
      const flag = `-tls${version.replace('.', '_')}`;
      const client = s_client(on, door, flag, '-alpn', 'two');
      client.type('hello\n');
      await client.says('hello!');
      client.type('QUIT\n');
      expect(await client.ends()).toBe(0);
      expect(client.said).toContain('Verify return code: 0 (ok)');
      expect(client.said).toContain('ALPN protocol: two');
      expect(client.said).toContain(`TLSv${version}`);
      expect(on.trace).not.toContainEqual(expect.stringContaining('error'));
    });

    it.each(VERSIONS)('a client talks to s_server of TLS %s, either ends', async (version) => {
      const on = new Stage(use_poll);
      const [flag, cert] = [`-tls${version.replace('.', '_')}`, LOCAL.certFile];
      const files = ['-cert', cert, '-key', LOCAL.keyFile];
      const server = new Program(on, 'openssl', 's_server', '-accept', '0', '-rev', flag, ...files);
      await server.says(/ACCEPT \S*:\d+/);
      const port = Number(/ACCEPT \S*:(\d+)/.exec(server.said)?.[1]);
      const client = new Lines(on, 'client');
      client.set_terminator('\n');
      client.handle_connect = () => {
        client.start_tls(CLIENT);
        client.push(Buffer.from('olleh\n'));
      };
      client.create_socket();
      client.connect(['127.0.0.1', port]);
      await on.until('client hello');
      expect([client.authorized, client.protocol]).toEqual([true, `TLSv${version}`]);
      client.close_when_done();
      await server.says('CONNECTION CLOSED');
      await on.until('client close');
      expect(client.close_reason).toBeNull();
    });
  });

  it('the certificate of s_client is known', async () => {
    const on = new Stage();
    const friend = identity('DNS:friend', LOCAL);
    const door = serving(on, { ...SERVER, requestCert: true, ca: LOCAL.cert }, WhoIsIt);
    const client = s_client(on, door, '-cert', friend.certFile, '-key', friend.keyFile);
    client.type('who\n');
    await client.says('friend');
  });

  it.each(VERSIONS)('s_client without a certificate is refused in TLS %s', async (version) => {
    const on = new Stage();
    const door = serving(on, { ...SERVER, ...only(version), requestCert: true, ca: LOCAL.cert });
    const client = s_client(on, door);
    await on.until('server error ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE');
    expect(await client.ends()).not.toBe(0);
    expect(client.said).toMatch(/alert (certificate required|handshake failure)/);
  });

  it.each(VERSIONS)('s_client resumes its session of TLS %s', async (version) => {
    const on = new Stage();
    const door = serving(on, { ...SERVER, ...only(version) });
    const file = join(folder, `session-${version}`);
    const first = s_client(on, door, '-sess_out', file).type('a\n');
    await first.says('a!');
    first.type('QUIT\n');
    await first.ends();
    expect(first.said).toContain('New, TLSv');
    const second = s_client(on, door, '-sess_in', file).type('b\n');
    await second.says('b!');
    expect(second.said).toContain('Reused, TLSv');
  });

  it('s_client may renegotiate three times, and then is thrown out', async () => {
    const on = new Stage();
    const door = serving(on, { ...SERVER, ...only('1.2') });
    const client = s_client(on, door, '-tls1_2').type('a\n');
    await client.says('a!');
    for (let i = 1; i <= 4; i++) {
      client.type('R\n');
      await on.until(() => client.said.split('RENEGOTIATING').length > i);
      await on.passes(20);
    }
    await on.until('server error ERR_TLS_SESSION_ATTACK');
    await client.ends();
  });

  it('an old client is refused', async () => {
    const on = new Stage();
    const door = serving(on, { ...SERVER, ...only('1.3') });
    const client = s_client(on, door, '-tls1_2');
    await on.until('server error ERR_SSL_UNSUPPORTED_PROTOCOL');
    expect(await client.ends()).not.toBe(0);
  });
});

class WhoIsIt extends Lines {
  override found(): void {
    this.push(Buffer.from(`${this.peer_certificate?.subject.CN}\n`));
  }
}

/** Answers one request of HTTP. */
class Page extends Lines {
  override found(line: string): void {
    if (line !== '') return;
    const body = 'x'.repeat(1_000_000);
    this.push(Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
    this.close_when_done();
  }
}

/** The beginning of a mail session. */
class Mail extends Lines {
  override found(line: string): void {
    const [verb] = line.split(' ');
    const isClear = this.protocol === null;
    const answers: Record<string, string> = {
      ehlo: isClear ? '250-here\r\n250 STARTTLS' : '250 here',
      STARTTLS: '220 go',
      noop: `250 ${this.protocol}`,
      quit: '221 bye',
    };
    this.push(Buffer.from(`${answers[verb] ?? '500 what'}\r\n`));
    if (verb === 'STARTTLS') this.start_tls(SERVER);
    if (verb === 'quit') this.close_when_done();
  }
}

describeTls('with curl and Python', () => {
  itWithCurl('curl gets a page of a megabyte, by TLS 1.2 and 1.3', async () => {
    for (const version of VERSIONS) {
      const on = new Stage();
      const door = serving(on, SERVER, Page);
      const url = `https://localhost:${door.port}/`;
      const options = ['-sS', '-4', '--noproxy', '*', '--cacert', LOCAL.certFile];
      const size = ['-w', '%{size_download} %{http_code}', '-o', join(folder, 'page')];
      const curl = new Program(on, 'curl', ...options, '--tls-max', version, ...size, url);
      expect([await curl.ends(), curl.said]).toEqual([0, '1000000 200']);
    }
  });

  itWithPython(
    'Python’s ssl reads up to close_notify, and is told where there is none',
    async () => {
      const on = new Stage();
      const program = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.options &= ~getattr(ssl, 'OP_IGNORE_UNEXPECTED_EOF', 0)  # some builds take an end for close_notify
sock = socket.create_connection(('127.0.0.1', int(sys.argv[2])))
tls = context.wrap_socket(sock, server_hostname='localhost', suppress_ragged_eofs=False)
tls.sendall(sys.argv[3].encode() + b'\\n')
try:
    while data := tls.recv(1000):
        print(data.decode().strip())
        tls.sendall(b'CUT\\n')
    print('ended')
except ssl.SSLError as error: print('cut off' if 'EOF' in str(error) else error)
tls.close()`;
      const ended = python(on, program, String(serving(on, SERVER).port), 'QUIT');
      expect([await ended.ends(), ended.said]).toEqual([0, 'ended\n']);
      const cut = python(on, program, String(serving(on, SERVER, CutOff).port), 'hello');
      expect([await cut.ends(), cut.said]).toEqual([0, 'hell\ncut off\n']);
    },
  );

  itWithPython('a client tells Python’s close from its unwrap', async () => {
    const on = new Stage();
    const program = `
import socket, ssl, sys
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1], sys.argv[2])
door = socket.create_server(('127.0.0.1', 0))
print(door.getsockname()[1], flush=True)
for orderly in (True, False):
    tls = context.wrap_socket(door.accept()[0], server_side=True)
    tls.sendall(tls.recv(100).upper())
    if orderly: tls.unwrap().close()
    else: tls.close()`;
    const server = python(on, program, LOCAL.keyFile);
    await server.says('\n');
    const port = Number(server.said);
    const reasons: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const client = new tls_dispatcher(null, on.map, CLIENT);
      client.handle_read = () => client.recv(100).length > 0 && on.say('answered');
      client.handle_error = (error) => void reasons.push((error as { code: string }).code);
      client.handle_close = () => {
        reasons.push(client.close_reason === null ? 'ended' : 'failed');
        client.close();
        on.say('closed');
      };
      client.create_socket();
      client.connect(['127.0.0.1', port]);
      client.send(Buffer.from('hello'));
      await on.until(() => on.count('closed') === i + 1);
    }
    expect(reasons).toEqual(['ended', 'ERR_TLS_NO_CLOSE_NOTIFY', 'failed']);
    expect(await server.ends()).toBe(0);
  });

  itWithPython('Python’s smtplib starts TLS in mid-connection', async () => {
    const on = new Stage();
    const door = new Door(on, (sock) => {
      const channel = new Mail(on, 'server', sock);
      channel.push(Buffer.from('220 hello\r\n'));
    });
    const program = `
import smtplib, ssl, sys
mail = smtplib.SMTP('127.0.0.1', int(sys.argv[2]), 'me')
mail._host = 'localhost'
mail.starttls(context=ssl.create_default_context(cafile=sys.argv[1]))
print(mail.ehlo()[0], mail.has_extn('starttls'), mail.noop()[1].decode(), mail.quit()[0])`;
    const client = python(on, program, String(door.port));
    expect([await client.ends(), client.said]).toEqual([0, '250 False TLSv1.3 221\n']);
  });
});

/** Answers with a part of the line, and ends without close_notify when that has arrived. */
class CutOff extends Lines {
  override found(line: string): void {
    const { below } = this.socket as unknown as { below: Socket };
    if (line === 'CUT') below.shutdown(SHUT_WR);
    else this.push(Buffer.from(line.slice(0, -1)));
  }
}

describeTls('of one who fails', () => {
  it.each([
    ['a name that the certificate does not have', ['-verify_hostname', 'example.org']],
    ['an unknown signer', ['-CAfile', identity('DNS:stranger').certFile]],
  ])('s_client tells us that it refuses %s', async (_, args) => {
    const on = new Stage();
    const door = new Door(on, (sock) => new Channel(on, 'server', sock).start_tls(SERVER));
    const client = s_client(on, door, ...args);
    expect(await client.ends()).not.toBe(0);
    await on.until(() => on.trace.some((line) => /^server (error|close)/.test(line)));
  });
});
