/** Who it is, and in what secrecy: RFC 959 and RFC 4217. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Command } from './command.js';
import type { FTPHandler } from './control_channel.js';

const MOST_WRONG_PASSWORDS = 3;
const ANONYMOUS = /^(anonymous|ftp)$/i;

export const loginCommands: Record<string, Command> = {
  USER: {
    argument: 'one',
    isOpen: true,
    run(session, name) {
      if (session.settings.requiresTls && !session.isSecure) return '530 say AUTH TLS first';
      session.isKnown = false;
      session.user = name;
      return '331 the password?'; // whoever it is, so that nobody learns who there is
    },
  },

  PASS: {
    argument: 'any',
    isOpen: true,
    run(session, password) {
      const { user } = session;
      if (user === null) return '503 say USER first';
      session.user = null;
      if (isRight(session, user, password)) {
        session.isKnown = true;
        session.folder = '/';
        return '230 welcome';
      }
      session.wrongPasswords += 1;
      if (session.wrongPasswords < MOST_WRONG_PASSWORDS) return '530 wrong';
      session.leave('421 wrong, too often');
      return undefined;
    },
  },

  AUTH: {
    argument: 'one',
    isOpen: true,
    run(session, mechanism) {
      const { tls } = session.settings;
      if (tls === null) return '502 there is no TLS here';
      if (!/^(TLS|TLS-C|SSL)$/i.test(mechanism)) return '504 only TLS';
      if (session.isSecure) return '503 it is TLS already';
      session.reply('234 go on');
      session.secure(tls);
      return undefined;
    },
  },

  PBSZ: {
    argument: 'one',
    isOpen: true,
    run(session, size) {
      if (!session.isSecure) return '503 say AUTH TLS first';
      if (!/^\d{1,10}$/.test(size)) return '501 PBSZ 0';
      session.hasBufferSize = true;
      return '200 PBSZ=0';
    },
  },

  PROT: {
    argument: 'one',
    isOpen: true,
    run(session, level) {
      if (!session.hasBufferSize) return '503 say PBSZ first';
      switch (level.toUpperCase()) {
        case 'P':
          session.protect(true);
          return '200 data connections speak TLS';
        case 'C':
          if (session.settings.requiresTls) return '534 only P';
          session.protect(false);
          return '200 data connections are in the clear';
        case 'S':
        case 'E':
          return '536 only C and P';
        default:
          return '504 only C and P';
      }
    },
  },

  QUIT: {
    argument: 'none',
    isOpen: true,
    run(session) {
      session.leave('221 bye');
      return undefined;
    },
  },
};

function isRight({ settings }: FTPHandler, user: string, password: string): boolean {
  const { account } = settings;
  if (account === null) return ANONYMOUS.test(user);
  const isUser = isSame(user, account.user);
  return isSame(password, account.password) && isUser;
}

/** Takes the same time, whatever is wrong. What was given is bytes in latin1. */
function isSame(given: string, wanted: string): boolean {
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest();
  return timingSafeEqual(digest(Buffer.from(given, 'latin1')), digest(Buffer.from(wanted)));
}
