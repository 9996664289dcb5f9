import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const program = `
  import { createHash } from 'node:crypto';
  import { dispatcher, dispatcher_with_send } from '@asyncore/core';
  import { simulate } from '@asyncore/testing';
  class Echo extends dispatcher_with_send {
    timeout = 5;
    handle_read() { this.send(this.recv(100)); }
    log_info() {}
  }
  class Server extends dispatcher {
    handle_accepted(sock) { new Echo(sock); }
  }
  const hash = createHash('sha256');
  let lines = 0;
  for (let seed = 1; seed <= 20; seed++) {
    await simulate({ seed, trace: true }, async (net) => {
      const server = new Server();
      server.create_socket();
      server.bind(['127.0.0.1', 7]);
      server.listen();
      for (let i = 0; i < 5; i++) net.connect(['127.0.0.1', 7]).send('x'.repeat(50 * i)).half_close();
      await net.settle();
      hash.update(net.trace().join('\\n'));
      lines += net.trace().length;
    });
  }
  console.log(lines > 1000, hash.digest('hex'));
`;

it('the same seeds give the same traces in every process', () => {
  const runs = [[], ['--no-opt', '--max-lazy'], ['--max-semi-space-size=1', '--expose-gc']];
  const outputs = runs.map((flags) => {
    const args = [...flags, '--input-type=module', '--eval', program];
    const { stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    return stdout;
  });
  expect(outputs[0]).toMatch(/^true /);
  expect(new Set(outputs).size).toBe(1);
}, 60_000);
