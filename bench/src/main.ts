/**
 * Measures this library's servers beside others; see ../README.md.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, release } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Case, cases, type Running, type Sample } from './cases.js';
import { Child, stopAll } from './child.js';
import { freePort } from './free_port.js';
import { Load } from './load.js';
import type { CaseResult, Results } from './results.js';
import { others, ours, type Server } from './servers.js';
import { report, table } from './table.js';

const bench = join(import.meta.dirname, '..');

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    servers: { type: 'string' },
    ours: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    requests: { type: 'string', default: '1000000000' },
    cores: { type: 'string', default: '0,1' },
    out: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});
const [serverCore, loadCore] = options.cores.split(',').map(Number);
const limit = { seconds: Number(options.seconds), requests: Number(options.requests) };
const warmUp = { seconds: Math.min(0.5, limit.seconds), requests: limit.requests };

for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
  process.on(signal, () => {
    stopAll();
    process.exit(code);
  });
}

/** Compiles a program of this folder. */
function compiled(source: string): string {
  const program = join(bench, 'build', basename(source, '.c'));
  mkdirSync(join(bench, 'build'), { recursive: true });
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-o', program, join(bench, source)], {
    stdio: 'inherit',
  });
  return program;
}

/** Those asked for by name; `ours` alone is every checkout on epoll. */
function chosen<T extends { name: string }>(all: T[], names: string | undefined): T[] {
  if (names === undefined) return all;
  return names.split(',').flatMap((name) => {
    const found = all.filter((one) => one.name === name);
    if (found.length === 0) {
      throw new Error(`${name}: there are only ${all.map((one) => one.name).join(', ')}`);
    }
    return found;
  });
}

function everyServer(): Server[] {
  const checkouts = [`ours=${join(bench, '..')}`, ...options.ours].map((text) => {
    const [label, path] = text.includes('=') ? text.split('=') : [basename(resolve(text)), text];
    return ours(label, resolve(path));
  });
  return [...checkouts.flat(), ...others(compiled('servers/echo.c'))];
}

async function measure(one: Case, server: Server, load: string): Promise<Sample> {
  const port = await freePort();
  const command = server.command(one.protocol, one.bufferSize, port) as string[];
  const child = new Child(server.name, serverCore, command);
  try {
    const [, told] = await child.heard(server.ready ?? /(\d+)$/);
    const loading = new Load(load, loadCore, Number(told || port));
    try {
      const running: Running = { server, child, load: loading, limit, warmUp };
      return await one.measure(running);
    } finally {
      await loading.stop();
    }
  } finally {
    await child.stop();
  }
}

/** Every server in its turn, in an order that changes from round to round. */
async function compare(one: Case, servers: Server[], load: string): Promise<CaseResult> {
  const { name, title, cost, rate } = one;
  const able = servers.filter(
    (server) => server.most >= one.connections && server.command(one.protocol, one.bufferSize, ''),
  );
  const samples = new Map(able.map((server) => [server, [] as (Sample | null)[]]));
  for (let round = 0; round < Number(options.rounds); round++) {
    const turned = [...able.slice(round % able.length), ...able.slice(0, round % able.length)];
    for (const server of round % 2 ? turned.reverse() : turned) {
      const sample = await measure(one, server, load).catch((error: Error) => {
        console.error(`${name}, ${server.name}: ${error.message}`);
        process.exitCode = 1;
        return null;
      });
      samples.get(server)?.push(sample);
    }
  }
  const results = able.map((server) => ({
    name: server.name,
    label: server.label,
    samples: samples.get(server) ?? [],
  }));
  return { name, title, cost, rate, servers: results };
}

function machine(): Record<string, string> {
  return {
    processor: `${cpus()[0].model.trim()}, ${cpus().length} of them, ${arch()}`,
    kernel: `Linux ${release()}`,
    'Node.js': process.version,
  };
}

const servers = chosen(everyServer(), options.servers);
const load = compiled('native/load.c');
const results: Results = {
  machine: machine(),
  command: ['pnpm bench', ...process.argv.slice(2)].join(' '),
  rounds: Number(options.rounds),
  cases: [],
};
for (const one of chosen(cases, options.only)) {
  const result = await compare(one, servers, load);
  results.cases.push(result);
  console.log(`${table(result)}\n`);
}
if (options.out) {
  mkdirSync(options.out, { recursive: true });
  writeFileSync(join(options.out, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(join(options.out, 'RESULTS.md'), report(results));
}
