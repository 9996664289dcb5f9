/** Files and folders, and what is known of them: RFC 959 and RFC 3659. */
import { chmodSync, mkdirSync, renameSync, rmdirSync, type Stats, unlinkSync } from 'node:fs';
import type { Command } from './command.js';
import type { FTPHandler } from './control_channel.js';
import { facts, stamp } from './listing.js';
import { at, entry, onDisk, PathError, resolve, resolveEntry } from './paths.js';
import { inLines, quoted } from './replies.js';

export const fileCommands: Record<string, Command> = {
  PWD: { argument: 'none', run: ({ folder }) => `257 ${quoted(folder)} is where you are` },
  CWD: { argument: 'one', run: (session, path) => go(session, path) },
  CDUP: { argument: 'none', run: (session) => go(session, '..') },

  MKD: {
    argument: 'one',
    writes: true,
    run(session, path) {
      mkdirSync(onDisk(entryFor(session, path)));
      return `257 ${quoted(at(session.folder, path))} is made`;
    },
  },
  RMD: {
    argument: 'one',
    writes: true,
    run(session, path) {
      rmdirSync(onDisk(entryFor(session, path)));
      return '250 removed';
    },
  },
  DELE: {
    argument: 'one',
    writes: true,
    run(session, path) {
      const real = entryFor(session, path);
      if (entry(real)?.isDirectory()) throw new PathError('EISDIR');
      unlinkSync(onDisk(real));
      return '250 deleted';
    },
  },

  RNFR: {
    argument: 'one',
    writes: true,
    run(session, path) {
      if (entry(entryFor(session, path)) === null) throw new PathError('ENOENT');
      session.renamed = at(session.folder, path);
      return '350 to what?';
    },
  },
  RNTO: {
    argument: 'one',
    writes: true,
    run(session, path) {
      const { renamed } = session;
      session.renamed = null;
      if (renamed === null) return '503 say RNFR first';
      renameSync(onDisk(entryFor(session, renamed)), onDisk(entryFor(session, path)));
      return '250 renamed';
    },
  },

  SIZE: {
    argument: 'one',
    run(session, path) {
      // How many bytes it would have as text, only reading all of it would tell.
      if (session.isText) return '550 say TYPE I first';
      return `213 ${fileAt(session, path).size}`;
    },
  },
  MDTM: {
    argument: 'one',
    run: (session, path) => `213 ${stamp(fileAt(session, path))}`,
  },
  MLST: {
    argument: 'any',
    run(session, path) {
      const name = at(session.folder, path);
      const stats = statsAt(session, path);
      const format = facts(session.facts, session.settings.account !== null);
      return inLines(250, 'there is', [format(name, stats)], 'that is all');
    },
  },

  SITE: {
    argument: 'one',
    writes: true,
    run(session, argument) {
      const [, mode, path] = /^CHMOD ([0-7]{3,4}) (.+)$/i.exec(argument) ?? [];
      if (path === undefined) return '504 only CHMOD MODE PATH';
      statsAt(session, path);
      // Nobody gets another's rights by it.
      chmodSync(onDisk(realFor(session, path)), Number.parseInt(mode, 8) & 0o777);
      return '200 changed';
    },
  },
};

function go(session: FTPHandler, path: string): string {
  if (!statsAt(session, path).isDirectory()) throw new PathError('ENOTDIR');
  session.folder = at(session.folder, path);
  return `250 ${quoted(session.folder)} is where you are`;
}

function realFor({ settings, folder }: FTPHandler, path: string): string {
  return resolve(settings.root, at(folder, path));
}

function entryFor({ settings, folder }: FTPHandler, path: string): string {
  return resolveEntry(settings.root, at(folder, path));
}

function statsAt(session: FTPHandler, path: string): Stats {
  const stats = entry(realFor(session, path));
  if (stats === null) throw new PathError('ENOENT');
  return stats;
}

function fileAt(session: FTPHandler, path: string): Stats {
  const stats = statsAt(session, path);
  if (!stats.isFile()) throw new PathError(stats.isDirectory() ? 'EISDIR' : 'EINVAL');
  return stats;
}
