/**
 * Makes the site in docs/site: the guides, the packages' READMEs, the examples with their source, and the
 * API reference. Then follows every link in it, and fails if one is dead.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const here = import.meta.dirname;
const root = dirname(dirname(here));
const sources = join(root, 'packages/examples/src');
const generated = join(here, 'generated');

/** The first comment of an example, as text, and the rest of it. */
function parts(code) {
  const [comment, text] = /^\/\*\*([\s\S]*?)\*\/\n/.exec(code) ?? ['', ''];
  const lines = text.split('\n').map((line) => line.replace(/^ ?\* ?/, ''));
  return [lines.join('\n').trim(), code.slice(comment.length).trim()];
}

function page(name) {
  const [text, code] = parts(readFileSync(join(sources, `${name}.ts`), 'utf8'));
  const isCut = readdirSync(sources, { withFileTypes: true }).some(
    (entry) => entry.isDirectory() && entry.name === name,
  );
  const more = isCut
    ? readdirSync(join(sources, name))
        .filter((file) => file.endsWith('.ts'))
        .map(
          (file) =>
            `## ${name}/${file}\n\n${fenced(readFileSync(join(sources, name, file), 'utf8'))}`,
        )
    : [];
  const front = `---\ntitle: ${name}\ngroup: Examples\n---\n\n`;
  return `${front}# ${name}\n\n${text}\n\n${fenced(code)}\n\n${more.join('\n\n')}\n`;
}

const fenced = (code) => `\`\`\`typescript\n${code.trim()}\n\`\`\``;

rmSync(generated, { recursive: true, force: true });
mkdirSync(generated);
const examples = readdirSync(sources).filter((file) => /^(?!index|main).*\.ts$/.test(file));
for (const file of examples) {
  const name = file.replace('.ts', '');
  writeFileSync(join(generated, `${name}.md`), page(name));
}

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: here, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

run('node_modules/typedoc/bin/typedoc', '--options', 'site.json');
run('links.mjs', '../site');
