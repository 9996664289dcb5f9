import type { Command } from './command.js';
import { fileCommands } from './file_commands.js';
import { loginCommands } from './login_commands.js';
import { inLines } from './replies.js';
import { sessionCommands } from './session_commands.js';
import { transferCommands } from './transfer_commands.js';

const IN_A_LINE = 8;

const HELP: Command = {
  argument: 'any',
  isOpen: true,
  run(_, verb) {
    if (verb === '') return inLines(214, 'these commands', rows(), 'and no others');
    return verb.toUpperCase() in commands ? '214 there is such a command' : '502 no such command';
  },
};

function rows(): string[] {
  const names = Object.keys(commands).sort();
  const rows: string[] = [];
  for (let i = 0; i < names.length; i += IN_A_LINE) {
    rows.push(names.slice(i, i + IN_A_LINE).join(' '));
  }
  return rows;
}

/** All, by their names in capitals. Without a prototype: nobody may say CONSTRUCTOR. */
export const commands: Record<string, Command> = Object.assign(Object.create(null), {
  ...loginCommands,
  ...sessionCommands,
  ...fileCommands,
  ...transferCommands,
  HELP,
});
