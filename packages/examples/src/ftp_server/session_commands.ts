/** How a session is and what it can do: RFC 959, RFC 2389 (FEAT, OPTS), RFC 3659 (MLST). */
import type { Command } from './command.js';
import type { FTPHandler } from './control_channel.js';
import { FACTS, listing, long } from './listing.js';
import { at } from './paths.js';
import { inLines } from './replies.js';

export const sessionCommands: Record<string, Command> = {
  TYPE: {
    argument: 'one',
    run(session, type) {
      if (/^A( N)?$/i.test(type)) session.isText = true;
      else if (/^(I|L 8)$/i.test(type)) session.isText = false;
      else return '504 only A and I';
      return `200 the type is ${session.isText ? 'A' : 'I'}`;
    },
  },
  MODE: {
    argument: 'one',
    run: (_, mode) => (/^S$/i.test(mode) ? '200 the mode is S' : '504 only S'),
  },
  STRU: {
    argument: 'one',
    run: (_, structure) => (/^F$/i.test(structure) ? '200 the structure is F' : '504 only F'),
  },
  ALLO: { argument: 'one', run: () => '202 is not needed' },
  NOOP: { argument: 'any', isOpen: true, run: () => '200 fine' },
  SYST: { argument: 'none', isOpen: true, run: () => '215 UNIX Type: L8' },

  FEAT: {
    argument: 'none',
    isOpen: true,
    run: (session) => inLines(211, 'also', features(session), 'so much for that'),
  },

  OPTS: {
    argument: 'one',
    isOpen: true,
    run(session, argument) {
      const [, name, , value = ''] = /^(\S+)( (.*))?$/.exec(argument) ?? [];
      if (/^UTF8$/i.test(name)) {
        return /^(on)?$/i.test(value) ? '200 names are UTF-8' : '504 names are UTF-8';
      }
      if (!/^MLST$/i.test(name)) return '501 only UTF8 and MLST';
      const wanted = value.toLowerCase().split(';');
      session.facts = FACTS.filter((fact) => wanted.includes(fact.toLowerCase()));
      return `200 MLST OPTS ${session.facts.map((fact) => `${fact};`).join('')}`;
    },
  },

  STAT: {
    argument: 'any',
    run(session, argument) {
      if (argument === '') return inLines(211, 'this session', state(session), 'that is all');
      const path = at(session.folder, argument);
      const text = Buffer.concat([...listing(session.settings.root, path, argument, long)]);
      const lines = text.toString('latin1').split('\r\n').filter(Boolean);
      return inLines(213, 'there is', lines, 'that is all');
    },
  },

  ABOR: {
    argument: 'none',
    run(session) {
      const { transfer } = session;
      session.port.close();
      if (transfer === null) return '226 there is nothing to abort';
      transfer.end('426 the transfer is aborted\r\n226 that is done'); // each command has its answer
      return undefined;
    },
  },
};

function features({ settings, facts }: FTPHandler): string[] {
  const chosen = FACTS.map((fact) => `${fact}${facts.includes(fact) ? '*' : ''};`).join('');
  const tls = settings.tls ? ['AUTH TLS', 'PBSZ', 'PROT'] : [];
  const rest = ['EPRT', 'EPSV', 'MDTM', `MLST ${chosen}`, 'REST STREAM', 'SIZE', 'TVFS', 'UTF8'];
  return [...tls, ...rest];
}

function state({ isText, isSecure, isPrivate, transfer }: FTPHandler): string[] {
  return [
    `type ${isText ? 'A' : 'I'}, mode S, structure F`,
    `commands ${isSecure ? 'over TLS' : 'in the clear'}, data ${isPrivate ? 'over TLS' : 'in the clear'}`,
    transfer === null ? 'no transfer' : `a transfer, with ${transfer.moved} bytes so far`,
  ];
}
