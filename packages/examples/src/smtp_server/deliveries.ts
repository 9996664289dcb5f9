/** Where the mail goes: each gives a function that is called with every mail that was taken. */
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

export interface Mail {
  /** Where to report that it cannot be delivered; may be empty. */
  sender: string;
  recipients: string[];
  /** Header and body in lines that end in '\n', below what whoever delivers a mail puts above it. */
  text: Buffer;
  /** Header and body as they were sent. */
  data: Buffer;
  /** The host that it came from. */
  peer: string;
  /** Whether addresses and header may be in UTF-8: MAIL said SMTPUTF8. */
  isUtf8: boolean;
}

/**
 * Takes a mail. If it gives a text, or a promise of one, that is the answer to the client:
 * `451 try again`. What it throws is answered with 452.
 */
export type Deliver =
  | ((mail: Mail) => void)
  | ((mail: Mail) => string | undefined | Promise<string | undefined>);

/** A file for each mail in FOLDER/new, written elsewhere first: it is there whole or not at all. */
export function maildir(folder: string): Deliver {
  for (const name of ['tmp', 'new', 'cur']) mkdirSync(join(folder, name), { recursive: true });
  let count = 0;
  return ({ text }) => {
    const name = `${Date.now()}.P${process.pid}Q${++count}.${hostname().replaceAll(/[/:]/g, '_')}`;
    writeFileSync(join(folder, 'tmp', name), text, { flag: 'wx' });
    renameSync(join(folder, 'tmp', name), join(folder, 'new', name));
  };
}

/** A line of JSON for each mail: `mailfrom`, `rcpttos`, and what was sent, in base64, as `data_b64`. */
export function sink(file: string): Deliver {
  appendFileSync(file, ''); // it is there, or cannot be
  return ({ sender, recipients, data }) => {
    const mail = { mailfrom: sender, rcpttos: recipients, data_b64: data.toString('base64') };
    appendFileSync(file, `${JSON.stringify(mail)}\n`);
  };
}

/** All in one file, each after a line that begins with "From ". Lines that look like it get a ">". */
export function mbox(file: string): Deliver {
  return ({ sender, text }) => {
    const [day, date, month, year, time] = new Date().toUTCString().split(/,? /);
    const name = Buffer.from(sender.replaceAll(' ', '_') || 'MAILER-DAEMON').toString('latin1');
    const from = `From ${name} `;
    const quoted = text.toString('latin1').replaceAll(/(^|\n)(>*From )/g, '$1>$2');
    const entry = `${from}${day} ${month} ${date} ${time} ${year}\n${quoted}\n`;
    appendFileSync(file, entry, 'latin1');
  };
}

/** Prints each mail, as DebuggingServer of Python's smtpd. Control characters are shown as \\x1b and so on. */
export function printed(print: (line: string) => void = console.log): Deliver {
  return ({ peer, data }) => {
    print('---------- MESSAGE FOLLOWS ----------');
    for (const line of withPeer(data, peer)) print(printable(line));
    print('------------ END MESSAGE ------------');
  };
}

/** The lines of a mail, in latin1, with one behind the header that says where it came from. */
export function withPeer(data: Buffer, peer: string): string[] {
  const lines = data.toString('latin1').replace(/\r\n$/, '').split('\r\n');
  const end = lines.indexOf('');
  lines.splice(end < 0 ? lines.length : end, 0, `X-Peer: ${peer}`);
  return lines;
}

/** In latin1 what is UTF-8, with its control characters shown. */
export function printable(line: string): string {
  const text = Buffer.from(line, 'latin1').toString();
  const code = (character: string) => character.charCodeAt(0).toString(16).padStart(2, '0');
  return text.replaceAll(/\p{Cc}/gu, (character) => `\\x${code(character)}`);
}
