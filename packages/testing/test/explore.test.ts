import { dispatcher } from '@asyncore/core';
import type { Socket } from '@asyncore/socket';
import {
  explore,
  explore_all,
  type explore_failure,
  type network,
  simulate,
} from '@asyncore/testing';
import { expect, it } from 'vitest';
import { CalculatorServer } from './lines.js';

const HERE: [string, number] = ['127.0.0.1', 7000];

/** Forgets that send may take less than it is given. */
class ForgetfulEcho extends dispatcher {
  override handle_read() {
    this.send(this.recv(8192));
  }
  override writable() {
    return false;
  }
}

class ForgetfulServer extends dispatcher {
  constructor() {
    super();
    this.create_socket();
    this.bind(HERE);
    this.listen();
  }
  override handle_accepted(sock: Socket) {
    new ForgetfulEcho(sock);
  }
}

async function echoes(net: network) {
  new ForgetfulServer();
  await net.connect(HERE).send('hello').expect('hello');
}

async function adds(net: network) {
  new CalculatorServer();
  const peer = net.connect(HERE).send('add 1 2\r\nadd 3 4\r\nquit\r\n');
  expect(await peer.expect('bye\r\n')).toBe('+ ready\r\n= 3\r\n= 7\r\n+ bye\r\n');
  expect(await peer.end()).toBe('end');
}

async function failureOf(run: Promise<unknown>): Promise<explore_failure> {
  return run.then(
    () => {
      throw new Error('it did not fail');
    },
    (error) => error,
  );
}

it('what is right passes every schedule', async () => {
  expect(await explore({ runs: 200 }, adds)).toBe(200);
});

it('every single cut, delay and order is tried', async () => {
  expect(await explore_all({}, adds)).toBeGreaterThan(60);
});

it('a fault is found, made plain, and told with its trace', async () => {
  const error = await failureOf(explore({ runs: 1000 }, echoes));
  expect(error.name).toBe('explore_failure');
  expect(error.message).toMatch(/^peer1 expects "hello"; there is "h.*": nothing more happens\n/);
  expect(error.message).toMatch(
    /\n {2}run \d+ of 1000, seed \d+; made plainer in \d+ runs: \d of \d+ /,
  );
  expect(error.message).toMatch(/\n {4}0\.0\d+ s {2}~ send buffer of \d+ bytes?/);
  expect(error.message).toMatch(/ForgetfulEcho .* in ForgetfulEcho\.handle_read/);
  expect(error.cause).toBeInstanceOf(Error);
});

it('its seed and its decisions find it again', async () => {
  const { seed, decisions } = await failureOf(explore({ runs: 1000 }, echoes));
  const again = await failureOf(explore({ seed, runs: 1 }, echoes));
  expect(again.decisions).toEqual(decisions);
  await expect(simulate({ decisions }, echoes)).rejects.toThrow('peer1 expects "hello"');
});

it('explore_all finds what one decision brings to light', async () => {
  const error = await failureOf(
    explore_all({}, async (net) => {
      const server = new ForgetfulServer();
      server.handle_accepted = (sock) => {
        new ForgetfulEcho(sock).send(Buffer.alloc(1200, 'x'));
      };
      await net.connect(HERE).expect('x'.repeat(1200));
    }),
  );
  expect(error.message).toContain('one decision is not the plain one (marked ~)');
  expect(error.decisions.filter((value) => value !== 0)).toHaveLength(1);
});

it('a failure that does not come again is said to be of the outside', async () => {
  let runs = 0;
  const error = await failureOf(
    explore({ runs: 5 }, () => {
      runs += 1;
      if (runs === 3) throw new Error('by chance');
    }),
  );
  expect(error.message).toContain('seed 3 failed, and did not the same a second time');
});

it('a decision of the test itself is explored with the others, and made plain', async () => {
  const error = await failureOf(
    explore({ runs: 500 }, (net) => {
      const size = net.choose(100, 'size');
      net.choose(5, 'nothing');
      if (size >= 10) throw new Error(`too large: ${size}`);
    }),
  );
  expect(error.decisions.filter((value) => value !== 0).length).toBe(1);
  expect(error.message).toMatch(/~ size: \d+ of 100/);
});

it('the same seed gives the same trace', async () => {
  const traceOf = (seed: number) =>
    simulate({ seed, trace: true }, async (net) => {
      await adds(net);
      return net.trace().join('\n');
    });
  for (const seed of [1, 2, 3, 4, 5]) {
    const trace = await traceOf(seed);
    expect(trace.length).toBeGreaterThan(100);
    expect(await traceOf(seed)).toBe(trace);
  }
  expect(await traceOf(1)).not.toBe(await traceOf(2));
});

it.each([
  [{ runs: 0 }, 'explore: runs must be an integer from 1'],
  [{ seed: 0.5 }, 'explore: seed must be an integer'],
  [{ run: 5 } as object, 'explore: there is no option run, only'],
])('wrong options throw: %j', async (options, message) => {
  await expect(explore(options, () => {})).rejects.toThrow(message);
});
