/** Measures this library's servers beside others: `pnpm bench`, explained in ../README.md. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, release } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Case, cases, type Sample } from './cases.js';
import { chart } from './chart.js';
import { stopAll } from './child.js';
import { compiled } from './compiled.js';
import { measure, type Settings, suits } from './measure.js';
import type { CaseResult, Results } from './results.js';
import { installOthers, others, ours, type Server } from './servers.js';
import { report, table } from './table.js';

const bench = join(import.meta.dirname, '..');
const text = { type: 'string' } as const;

const USAGE =
  'usage: npm run bench -- [--list] [--only CASE,…] [--servers SERVER,…] [--ours LABEL=PATH]… [--rounds 5] [--seconds 1]\n' +
  '       [--requests N] [--cores 0,1] [--out DIR] [--with-others]   See bench/README.md.';

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: text,
        servers: text,
        ours: { ...text, multiple: true, default: [] },
        rounds: { ...text, default: '5' },
        seconds: { ...text, default: '1' },
        requests: { ...text, default: '1000000000' },
        cores: { ...text, default: '0,1' },
        out: text,
        'with-others': { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (!values.help) return values;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

const options = readOptions();

/** The results of a complete run are the ones that this repository shows. */
const out = options.out ?? (options.only || options.servers ? null : join(bench, 'results'));
const command = ['pnpm bench', ...process.argv.slice(2)].join(' ');

/** Those asked for by name. */
function chosen<T extends { name: string; family?: string }>(all: T[], names?: string): T[] {
  if (names === undefined) return all;
  const asked = names.split(',');
  const goesBy = (one: T, name: string) => one.name === name || one.family === name;
  const unknown = asked.find((name) => !all.some((one) => goesBy(one, name)));
  if (unknown !== undefined) {
    throw new Error(`${unknown}: there are only ${all.map((one) => one.name).join(', ')}`);
  }
  return all.filter((one) => asked.some((name) => goesBy(one, name)));
}

/** This checkout and those of --ours, then the others. */
function everyServer(): Server[] {
  const checkouts = options.ours.map((text) => {
    const [, label, path] = /^(?:(.*?)=)?(.*)$/.exec(text) ?? [];
    return ours(label ?? basename(resolve(path)), resolve(path));
  });
  const here = ours('ours', resolve(bench, '..'));
  return [...here, ...checkouts.flat(), ...others(compiled('servers/echo.c'))];
}

/** Every server in its turn, in an order that changes from round to round. */
async function compare(one: Case, servers: Server[], settings: Settings): Promise<CaseResult> {
  const able = servers.filter((server) => suits(server, one));
  const samples = new Map(able.map((server) => [server, [] as (Sample | null)[]]));
  for (let round = 0; round < Number(options.rounds); round++) {
    const first = (round >> 1) % able.length;
    const order = [...able.slice(first), ...able.slice(0, first)];
    for (const server of round % 2 ? order.reverse() : order) {
      const sample = await measure(one, server, settings).catch((error: Error) => {
        console.error(`${one.name}, ${server.name}: ${error.message}`);
        process.exitCode = 1;
        return null;
      });
      samples.get(server)?.push(sample);
    }
  }
  const { name, title, cost, rate } = one;
  const results = able.map((server) => {
    const { name, label, isOurs, isYardstick } = server;
    return { name, label, isOurs, isYardstick, samples: samples.get(server) ?? [] };
  });
  return { name, title, cost, rate, command, servers: results };
}

function machine(servers: Server[]): Record<string, string> {
  return {
    processor: `${cpus()[0].model.trim()} (${arch()}), ${cpus().length} cores`,
    kernel: `Linux ${release()}`,
    ...Object.fromEntries(servers.map((server) => [server.label, server.version()])),
  };
}

/** Results of earlier runs, if the machine and all versions were the same. */
function earlier(folder: string, machine: Record<string, string>): CaseResult[] {
  const file = join(folder, 'results.json');
  if (!existsSync(file)) return [];
  const results: Results = JSON.parse(readFileSync(file, 'utf8'));
  return JSON.stringify(results.machine) === JSON.stringify(machine) ? results.cases : [];
}

function write(folder: string, results: Results): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(folder, 'RESULTS.md'), report(results));
  writeFileSync(join(folder, 'chart.svg'), chart(results));
}

async function main(): Promise<void> {
  if (options['with-others']) installOthers();
  const servers = everyServer();
  if (options.list) {
    console.log(`cases: ${cases.map(({ name }) => name).join(' ')}`);
    console.log(`servers: ${servers.map(({ name }) => name).join(' ')}`);
    return;
  }
  const taking = chosen(servers, options.servers);
  const [serverCore, loadCore] = options.cores.split(',').map(Number);
  const limit = { seconds: Number(options.seconds), requests: Number(options.requests) };
  const load = compiled('native/load.c');
  const settings = { load, serverCore, loadCore, limit, warmUp: 1 };
  const facts = machine(servers);
  const known = new Map(out ? earlier(out, facts).map((result) => [result.name, result]) : []);
  for (const one of chosen(cases, options.only)) {
    const result = await compare(one, taking, settings);
    console.log(`${table(result)}\n`);
    known.set(one.name, result);
    const all = cases.flatMap(({ name }) => known.get(name) ?? []);
    if (out) write(out, { machine: facts, cases: all });
  }
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => {
    stopAll();
    process.exit(code);
  });
}

await main();
