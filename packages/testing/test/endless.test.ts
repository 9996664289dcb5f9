/** What would never end: the simulation ends it with an error that says why. */
import { dispatcher, dispatcher_with_send, loop, poll, socket_map } from '@asyncore/core';
import { BlockingIOError, socketpair } from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { explore, type network, simulate } from '@asyncore/testing';
import { expect, it } from 'vitest';
import { on_standstill } from '../dist/outside.js';
import { indented } from '../dist/trace.js';
import type { VirtualClock } from '../dist/virtual_clock.js';
import { inside } from './inside.js';
import { CalculatorServer } from './lines.js';

const HERE: [string, number] = ['127.0.0.1', 7000];
const { setTimeout: realTimeout } = globalThis;

/** Tries again at once, for ever. */
class Persistent extends dispatcher_with_send {
  constructor() {
    super();
    this.#try();
  }
  #try() {
    this.create_socket();
    this.connect(HERE);
  }
  override handle_connect_error() {
    this.close();
    this.#try();
  }
}

class Echo extends dispatcher_with_send {
  override handle_read() {
    const data = this.recv(100);
    if (data.length > 0) this.send(data);
  }
}

/** Two echoes, and a byte that goes to and fro between them. */
function tennis() {
  const server = new dispatcher();
  server.handle_accepted = (sock) => void new Echo(sock);
  server.create_server(HERE);
  const client = new Echo();
  client.create_socket();
  client.connect(HERE);
  client.send(Buffer.from('o'));
}

/** Becomes true after a turn of Node's own loop. */
function realTurn() {
  const turn = { isOver: false };
  realTimeout(() => {
    turn.isOver = true;
  }, 1);
  return turn;
}

it('a wait is given up when something happens all the time and not what it waits for', () =>
  simulate({}, async (net) => {
    inside(net).driver.limits.wait = 500;
    new Persistent();
    const why = 'something has happened all the time, in 500 turns of the loop and';
    await expect(net.settle()).rejects.toThrow(`settle: ${why}`);
    await expect(net.until(() => false, 'pigs fly', Infinity)).rejects.toThrow(
      /^something has happened .* s \(\{ trace: true \} shows what\), and not: pigs fly$/,
    );
    const peer = net.listen(['127.0.0.1', 7001]);
    await expect(peer.accept()).rejects.toThrow(why);
  }));

it('advance has more turns, but not for ever', () =>
  simulate({ globals: true }, async (net) => {
    const { limits } = inside(net).driver;
    limits.wait = 10;
    limits.advance = 500;
    setInterval(() => {}, 1000);
    await net.advance(100);
    await expect(net.advance(3600)).rejects.toThrow('advance: something has happened all the time');
  }));

it.each<[string, (net: network, turn: { isOver: boolean }) => Promise<unknown>]>([
  ['many turns', (net, turn) => net.until(() => turn.isOver, 'over', Infinity)],
  [
    'many waits for what has come',
    async (net, turn) => {
      while (!turn.isOver) await net.until(() => true);
    },
  ],
])("the time limit of a test, one of Node's own timers, comes in %s", (_, wait) =>
  simulate({}, async (net) => {
    tennis();
    await wait(net, realTurn());
  }),
);

it("the time limit of a test, one of Node's own timers, comes in many runs", async () => {
  const turn = realTurn();
  const runs = explore({ runs: 1_000_000, shrinks: 0 }, () => {
    if (turn.isOver) throw new Error('over');
  });
  await expect(runs).rejects.toThrow('over');
});

it('a loop of waits for what has come is ended', () =>
  simulate({}, async (net) => {
    inside(net).driver.limits.ended = 50;
    const spinning = async () => {
      for (;;) await net.until(() => true);
    };
    await expect(spinning()).rejects.toThrow('something spins: 50 waits in a row');
  }));

it.each<[string, (net: network) => void]>([
  [
    'chooses',
    (net) => {
      while (net.choose(2, 'enough') === 0);
    },
  ],
  [
    'polls',
    () => {
      while (socket_map.size > 0) poll(0);
    },
  ],
  [
    'polls with a timeout',
    () => {
      while (socket_map.size > 0) poll(0.1);
    },
  ],
  [
    'receives',
    () => {
      const [socket] = socketpair();
      for (;;) {
        try {
          socket.recv(1);
        } catch (error) {
          if (!(error instanceof BlockingIOError)) throw error;
        }
      }
    },
  ],
  [
    'accepts',
    () => {
      const [listener] = socket_map.values();
      for (;;) expect((listener as dispatcher).accept()).toBe(null);
    },
  ],
])('a function that %s for ever is ended', async (_, spin) => {
  const spinning = simulate({}, async (net) => {
    inside(net).kernel.mostAsked = 100;
    new CalculatorServer();
    spin(net);
  });
  await expect(spinning).rejects.toThrow(
    'simulated network: a function does not return: it has called poll, recv, choose or the like 100 times',
  );
});

it.each<[string, () => unknown]>([
  ['Date.now', () => Date.now()],
  ['new Date', () => new Date()],
  ['performance.now', () => performance.now()],
  ['process.hrtime', () => process.hrtime()],
])('a function that asks %s for ever is ended', async (_, ask) => {
  const spinning = simulate({ globals: true }, () => {
    (clock as VirtualClock).mostAsked = 100;
    for (;;) ask();
  });
  await expect(spinning).rejects.toThrow('it has asked for the time 100 times');
});

it('a program may ask as often as it likes in many turns', () =>
  simulate({ globals: true }, async (net) => {
    (clock as VirtualClock).mostAsked = 20;
    inside(net).kernel.mostAsked = 20;
    new CalculatorServer();
    const peer = net.connect(HERE);
    for (let i = 0; i < 100; i++) {
      Date.now();
      poll(0);
      await net.advance(0.1);
    }
    expect(peer.text).toBe('+ ready\r\n');
  }));

it('what the body throws is not hidden by what cannot be closed', async () => {
  const failing = simulate({ loopback: true }, async (net) => {
    inside(net).driver.limits.turns = 50;
    tennis();
    await net.settle();
  });
  await expect(failing).rejects.toThrow('something spins: in 50 turns nothing arrived');
  await simulate({}, () => {}); // and the next one is none the worse
});

it('a wait that is not awaited is told of, when the body has returned', async () => {
  const waits: Promise<unknown>[] = [];
  let network: network | undefined;
  await simulate({}, (net) => {
    network = net;
    new CalculatorServer();
    waits.push(net.connect(HERE).expect('never'));
    waits[0].catch(() => {});
  });
  await expect(waits[0]).rejects.toThrow(
    'peer1 expects "never"; nothing has come: the simulation has ended: is an await missing?',
  );
  await expect(network?.advance(1)).rejects.toThrow('this network has ended: is an await missing?');
});

it('the stack of a wait that fails begins where it was made', () =>
  simulate({}, async (net) => {
    new CalculatorServer();
    const peer = net.connect(HERE);
    for (const wait of [() => peer.expect('never', 1), () => net.until(() => false)]) {
      const { stack } = await wait().then(
        () => new Error('it has not failed'),
        (error: Error) => error,
      );
      expect(stack).toMatch(/^Error: .*nothing more happen.*\n(.*\n)+.*endless\.test\.ts/);
    }
  }));

it('the trace in a message has a thousand lines at most', () => {
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i}`);
  const shown = indented(lines).split('\n');
  expect(shown.slice(500, 503).map((line) => line.trim())).toEqual([
    'line 499',
    '… 4000 more …',
    'line 4500',
  ]);
  expect(shown.at(-1)).toBe('    line 4999');
});

it('a body that waits for nothing in the network gets a warning', async () => {
  let told = 0;
  await new Promise<void>((resolve) => {
    const say = () => {
      told += 1;
      resolve();
    };
    on_standstill(() => 7, say, 1);
  });
  expect(told).toBe(1);
  const stop = on_standstill(
    () => null,
    () => {
      told += 1;
    },
    1,
  );
  await new Promise((resolve) => realTimeout(resolve, 10));
  stop();
  expect(told).toBe(1);
});

it('a network that a forgotten test still holds is named', async () => {
  let release = () => {};
  const held = simulate({}, () => new Promise<void>((resolve) => (release = resolve)));
  await expect(simulate({}, () => loop())).rejects.toThrow(
    'It may belong to a test that was not awaited, or ran into its time limit',
  );
  release();
  await held;
});
