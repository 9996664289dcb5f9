/** A peer's bytes reach regular expressions: each takes time in proportion to them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAst } from 'vitest/node';

const root = join(import.meta.dirname, '../..');
/** Where bytes of a peer come: not the tools for tests, and not what starts and copies examples. */
const PACKAGES = ['socket', 'core', 'chat', 'file', 'stream', 'tls', 'examples'];
const OWN_FILES = /examples\/src\/runner\//;

/** Short ones first: an exponential pattern would never end with a long one. */
const LENGTHS = [24, 36, 100, 20_000];
/** Milliseconds of processor. A linear pattern takes about one, a quadratic one hundreds. */
const MOST = 60;

// ---- finding them ----

interface Node {
  type: string;
  [part: string]: unknown;
}

function isNode(value: unknown): value is Node {
  return typeof (value as Node | null)?.type === 'string';
}

/** All nodes of a tree. */
function* nodesOf(part: unknown): Generator<Node> {
  if (isNode(part)) yield part;
  if (typeof part !== 'object' || part === null) return;
  for (const value of Object.values(part)) yield* nodesOf(value);
}

/** The text that an expression gives: of a string or template, with constants of the same file; else "name". */
function textOf(expression: unknown, constants: ReadonlyMap<unknown, string>): string {
  const node = expression as Node;
  if (node.type === 'Literal') return String(node.value);
  if (node.type !== 'TemplateLiteral') return constants.get(node.name) ?? 'name';
  const expressions = node.expressions as Node[];
  return (node.quasis as { value: { cooked: string } }[])
    .map(
      ({ value }, i) =>
        value.cooked + (i < expressions.length ? textOf(expressions[i], constants) : ''),
    )
    .join('');
}

function patternsOf(source: string): RegExp[] {
  const nodes = [...nodesOf(parseAst(source, { lang: 'ts' }))];
  const constants = new Map<unknown, string>();
  for (const { type, id, init } of nodes) {
    if (type !== 'VariableDeclarator' || !isNode(id) || !isNode(init)) continue;
    if (typeof init.value === 'string') constants.set(id.name, init.value);
  }
  return nodes.flatMap((node) => {
    const { regex, callee } = node as {
      regex?: { pattern: string; flags: string };
      callee?: unknown;
    };
    if (node.type === 'Literal' && regex) return [new RegExp(regex.pattern, regex.flags)];
    if (!/^(New|Call)Expression$/.test(node.type) || !isNode(callee)) return [];
    if (callee.name !== 'RegExp') return [];
    const [pattern, flags] = node.arguments as Node[];
    return [new RegExp(textOf(pattern, constants), flags && textOf(flags, constants))];
  });
}

const files = PACKAGES.flatMap((name) => {
  const folder = join(root, 'packages', name, 'src');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((each) => each.endsWith('.ts')).map((each) => join(folder, each));
});
const found = files
  .filter((file) => !OWN_FILES.test(file))
  .map((file) => ({
    file: file.slice(root.length + 1),
    patterns: patternsOf(readFileSync(file, 'utf8')),
  }))
  .filter(({ patterns }) => patterns.length > 0);

// ---- what a hostile peer sends ----

/** Each character that the pattern names, and some of each class. */
function characters({ source }: RegExp): string[] {
  const named = [...source.replaceAll(/\\[a-zA-Z](?:\{.*?\}|[0-9a-f]+)?/g, '')];
  return [...new Set([...named, ...'a0 \t"\\<:/,\r\xff\xfa'])].slice(0, 30);
}

/** What it begins with and repeats: one of these, or two in turn. */
function texts(pattern: RegExp): [head: string, repeated: string][] {
  const [, literal = ''] = /^\^?((?:[\w <:="'/-]|\\[./<:])*)/.exec(pattern.source) ?? [];
  const own = [...new Set(['', literal.replaceAll('\\', '')])];
  const all = characters(pattern);
  const few = all.slice(0, 8);
  const pairs = few.flatMap((one) => few.filter((two) => two !== one).map((two) => one + two));
  const heads = [...new Set([...own, 'a:', 'GET ', '<"', '\xff\xfa'])];
  return [
    ...heads.flatMap((head) => all.map((each): [string, string] => [head, each])),
    ...own.flatMap((head) => pairs.map((each): [string, string] => [head, each])),
  ];
}

/** Milliseconds that one use of the pattern takes. */
function took(pattern: RegExp, text: string): number {
  const before = process.cpuUsage();
  text.replace(pattern, '');
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The text that takes too long, at the third time too; null for none. */
function slowText(pattern: RegExp): string | null {
  for (const length of LENGTHS) {
    for (const [head, repeated] of texts(pattern)) {
      const text = `${head}${repeated.repeat(length / repeated.length)}\n!`;
      let tries = 3;
      while (tries > 0 && took(pattern, text) > MOST) tries -= 1;
      if (tries === 0) return text.slice(0, 20);
    }
  }
  return null;
}

describe('the patterns that a peer reaches', () => {
  it('are found: literals, and those that are built', () => {
    expect(found.flatMap(({ patterns }) => patterns).length).toBeGreaterThan(50);
    const source = String.raw`const T = '[a-z]+'; f(/x"/g, new RegExp(\`^(\${T})\${g()}$\`, 'm'), "/no/");`;
    expect(patternsOf(source.replaceAll('\\`', '`').replaceAll('\\$', '$'))).toEqual([
      /x"/g,
      /^([a-z]+)name$/m,
    ]);
  });

  it.each([/\s+$/, /^(a+)+$/, /<.*>.*>/, /"(?:[^"]|\\.)*"x/])('%s would be noticed', (slow) => {
    expect(slowText(slow)).not.toBeNull();
  });

  it.each(found)('take time in proportion to what comes, in $file', ({ patterns }) => {
    const slow = patterns.map((each) => [each, slowText(each)]).filter(([, text]) => text !== null);
    expect(slow).toEqual([]);
  });
});
