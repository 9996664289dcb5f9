/** What goes over a data connection, and how that comes to be: RFC 959, 2428, 3659. */
import { extended, fromCommas, inCommas, plain } from './addresses.js';
import type { Command } from './command.js';
import type { FTPHandler } from './control_channel.js';
import { withLineEnds } from './line_ends.js';
import { type Format, facts, listing, long, short } from './listing.js';
import { OpenFile } from './open_file.js';
import { at, entry, PathError, resolve } from './paths.js';
import { Receiving, SendingFile, SendingPieces } from './transfer.js';

/** Ports of the system's services are no clients': nobody is to be made to talk to them. */
const FIRST_PORT = 1024;

export const transferCommands: Record<string, Command> = {
  PASV: {
    argument: 'none',
    run(session) {
      if (session.isExtendedOnly) return '503 only EPSV, as you said';
      if (plain(session.here[0]).includes(':')) return '425 this is IPv6: say EPSV';
      return `227 here: (${inCommas(session.listen())})`;
    },
  },
  EPSV: {
    argument: 'any',
    run(session, argument) {
      const family = plain(session.here[0]).includes(':') ? '2' : '1';
      if (/^ALL$/i.test(argument)) {
        session.isExtendedOnly = true;
        return '200 only EPSV from now on';
      }
      if (argument !== '' && argument !== family) return `522 only this family: (${family})`;
      return `229 here: (|||${session.listen()[1]}|)`;
    },
  },
  PORT: {
    argument: 'one',
    run(session, argument) {
      if (session.isExtendedOnly) return '503 only EPSV, as you said';
      const address = fromCommas(argument);
      if (address === null) return '501 PORT h1,h2,h3,h4,p1,p2';
      return aim(session, ...address);
    },
  },
  EPRT: {
    argument: 'one',
    run(session, argument) {
      if (session.isExtendedOnly) return '503 only EPSV, as you said';
      const address = extended(argument);
      if (address === null) return '501 EPRT |1 or 2|address|port|';
      const family = plain(session.here[0]).includes(':') ? '2' : '1';
      if (address.family !== family) return `522 only this family: (${family})`;
      return aim(session, address.host, address.port);
    },
  },

  REST: {
    argument: 'one',
    run(session, argument) {
      if (!/^\d{1,15}$/.test(argument)) return '501 REST and a number';
      session.restart = Number(argument);
      return `350 from byte ${session.restart} on`;
    },
  },

  RETR: {
    argument: 'one',
    run(session, path) {
      const from = takeRestart(session);
      if (isUnprotected(session)) return UNPROTECTED;
      if (from > 0 && session.isText) return NO_TEXT;
      const file = OpenFile.toRead(realFor(session, path));
      if (from > file.size) {
        file.close();
        return BEYOND;
      }
      const answer = (reply: string) => session.ended(reply);
      session.start(
        session.isText
          ? new SendingPieces(file, asText(file.pieces()), answer)
          : new SendingFile(file, from, answer),
      );
      return undefined;
    },
  },
  STOR: {
    argument: 'one',
    writes: true,
    run: (session, path) => receive(session, path, takeRestart(session)),
  },
  APPE: {
    argument: 'one',
    writes: true,
    run: (session, path) => {
      if (takeRestart(session) > 0) return '503 APPE knows where to go on';
      return receive(session, path, Infinity);
    },
  },

  LIST: {
    argument: 'any',
    run: (session, argument) => list(session, argument.replace(/^-\w+ ?/, ''), long),
  },
  NLST: {
    argument: 'any',
    run: (session, argument) => list(session, argument.replace(/^-\w+ ?/, ''), short),
  },
  MLSD: {
    argument: 'any',
    run(session, path) {
      const stats = entry(realFor(session, path));
      if (stats !== null && !stats.isDirectory()) return '501 not a folder: say MLST';
      return list(session, path, facts(session.facts, session.settings.account !== null));
    },
  },
};

const BEYOND = '554 that is behind its end';
const NO_TEXT = '554 REST is for TYPE I';
const UNPROTECTED = '521 say PROT P first';

function isUnprotected({ settings, isPrivate }: FTPHandler): boolean {
  return settings.requiresTls && !isPrivate;
}

/** What REST said holds for the command behind it only. */
function takeRestart(session: FTPHandler): number {
  const { restart } = session;
  session.restart = 0;
  return restart;
}

/** Only to where the client is: nobody else has asked for a connection (RFC 2577). */
function aim(session: FTPHandler, host: string, port: number): string {
  if (host !== plain(session.peer[0])) return '501 that is not where you are';
  if (port < FIRST_PORT) return '501 not to a port below 1024';
  const [, , ...scope] = session.peer;
  session.port.aim([host, port, ...scope] as typeof session.peer, session.here);
  return '200 there, then';
}

function receive(session: FTPHandler, path: string, restart: number): string | undefined {
  if (isUnprotected(session)) return UNPROTECTED;
  if (restart > 0 && restart < Infinity && session.isText) return NO_TEXT;
  if (path.endsWith('/')) throw new PathError('EISDIR');
  const file = OpenFile.toWrite(realFor(session, path));
  const at = Math.min(restart, restart === Infinity ? file.size : restart);
  if (at > file.size) {
    file.close();
    return BEYOND;
  }
  session.start(new Receiving(file, at, session.isText, (answer) => session.ended(answer)));
  return undefined;
}

function list(session: FTPHandler, path: string, format: Format): string | undefined {
  takeRestart(session);
  if (isUnprotected(session)) return UNPROTECTED;
  const pieces = listing(session.settings.root, at(session.folder, path), path, format);
  session.start(new SendingPieces(null, pieces, (answer) => session.ended(answer)));
  return undefined;
}

function realFor({ settings, folder }: FTPHandler, path: string): string {
  return resolve(settings.root, at(folder, path));
}

async function* asText(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of pieces) yield withLineEnds(piece);
}
