import { header, simulated, source } from './examples.js';

/** The tests of a project, by their paths. */
export function testsOf(name: string): Record<string, string> {
  const own = { [`test/${name}.test.js`]: isServer(name) ? serverTest(name) : importTest(name) };
  const promises = simulated(name);
  if (promises === null) return own;
  return {
    ...own,
    [`simulated/${name}.js`]: promises,
    'test/simulated.test.js': simulatedTest(name),
  };
}

/** Whether it listens on a port that it prints, with no argument that has to be given. */
function isServer(name: string): boolean {
  const [, usage = ''] = new RegExp(`^ {4}${name}(.*)$`, 'm').exec(header(name)) ?? [];
  const required = usage.replaceAll(/\[[^\]]*\]/g, '').trim();
  return (
    usage.includes('[--port ') && required === '' && /\.(listen|create_server)\(/.test(source(name))
  );
}

function serverTest(name: string): string {
  return `import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));

test('${name} takes connections until it is told to end', async () => {
  const stdio = ['ignore', 'pipe', 'inherit'];
  const child = spawn(process.execPath, [program, '--port', '0'], { stdio });
  const closed = once(child, 'close');
  try {
    let port;
    for await (const line of createInterface(child.stdout)) {
      port = /:(\\d+)\\/?$/.exec(line)?.[1];
      if (port) break;
    }
    assert.ok(port, 'it did not print where it listens');
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
  } finally {
    child.kill();
    await closed;
  }
});
`;
}

function simulatedTest(name: string): string {
  return `/**
 * What simulated/${name}.js promises, in a simulated network: no ports, no waiting. \`explore\` delays, cuts,
 * reorders and breaks what the network carries, 100 times; a failure says how to do it again.
 */
import { test } from 'node:test';
import { explore } from '@asyncore/testing';
import * as promises from '../simulated/${name}.js';

for (const [name, promise] of Object.entries(promises)) {
  test(\`\${name} keeps its promises in whatever network\`, async () => {
    await explore({ runs: 100, globals: true }, promise);
  });
}
`;
}

function importTest(name: string): string {
  return `import assert from 'node:assert/strict';
import { test } from 'node:test';

test('${name} starts nothing when it is imported', async () => {
  const { main } = await import('../dist/${name}.js');
  assert.equal(typeof main, 'function');
});
`;
}
