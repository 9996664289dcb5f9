import { parseArgs } from 'node:util';

function end(message) {
  console.error(message);
  process.exit(2);
}

/**
 * A script's arguments as parseArgs gives them, and `refuse(why)`, which ends the script. For --help it prints
 * `usage` and ends with 0; what it does not know it refuses by name, with 2.
 */
export function readArguments(usage, { options = {}, ...rest } = {}) {
  const refuse = (why) => end(`${why}\nusage: ${usage}`);
  const config = { options: { help: { type: 'boolean' }, ...options }, ...rest };
  try {
    const { values, positionals } = parseArgs(config);
    if (values.help) {
      console.log(`usage: ${usage}`);
      process.exit(0);
    }
    return { values, positionals, refuse };
  } catch (error) {
    return refuse(error.message);
  }
}
