/** Certificates made for the tests, by openssl, into a folder of their own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { has } from './tools.js';

/** For the title of tests that need certificates: how to make them run. */
export const NO_OPENSSL = 'apt-get install openssl';
export const hasOpenssl = has(NO_OPENSSL, 'openssl', 'version');

/** Declares tests that need certificates. */
export function describeTls(name: string, body: () => void): void {
  describe.skipIf(!hasOpenssl)(hasOpenssl ? name : `${name} (${NO_OPENSSL})`, body);
}

export const folder = mkdtempSync(join(tmpdir(), 'asyncore-tls-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A key and a certificate, and the files that hold them. */
export interface Identity {
  key: Buffer;
  cert: Buffer;
  keyFile: string;
  certFile: string;
}

let made = 0;

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore', cwd: folder });
}

/** One for `names` (subjectAltName), signed by `by`, else by itself. */
export function identity(names: string, by?: Identity): Identity {
  if (!hasOpenssl) return { key: EMPTY, cert: EMPTY, keyFile: '', certFile: '' };
  const at = (kind: string) => join(folder, `${made}.${kind}`);
  made += 1;
  const [keyFile, certFile, request, extensions] = ['key', 'cert', 'csr', 'ext'].map(at);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', `/CN=${names.replace(/^\w+:/, '').replace(/,.*/, '')}`];
  if (by === undefined) {
    const alt = ['-addext', `subjectAltName=${names}`];
    openssl('req', '-x509', ...key, ...subject, ...alt, '-keyout', keyFile, '-out', certFile);
  } else {
    openssl('req', ...key, ...subject, '-keyout', keyFile, '-out', request);
    writeFileSync(extensions, `subjectAltName=${names}\n`);
    const signer = ['-CA', by.certFile, '-CAkey', by.keyFile, '-CAcreateserial'];
    openssl('x509', '-req', '-in', request, ...signer, '-extfile', extensions, '-out', certFile);
  }
  return { key: readFileSync(keyFile), cert: readFileSync(certFile), keyFile, certFile };
}

const EMPTY = Buffer.alloc(0);

/** For localhost and both its addresses. */
export const LOCAL = identity('DNS:localhost,IP:127.0.0.1,IP:::1');
