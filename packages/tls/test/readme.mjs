import { readFileSync } from 'node:fs';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import { with_tls } from '@asyncore/tls';

const [key, cert] = process.argv.slice(2).map((file) => readFileSync(file));
// One object for all connections, so that sessions are resumed. SMTP says itself where a mail ends.
const options = { key, cert, require_close_notify: false };

/** SMTP with STARTTLS: takes mail, and shows it. */
class Session extends with_tls(async_chat) {
  mail = null;

  say(line) {
    this.push(Buffer.from(`${line}\r\n`));
  }

  collect_incoming_data(data) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    const text = String(this._get_data());
    if (this.mail?.isComing) {
      console.log(`${this.protocol} from ${this.mail.from}\n${text}`);
      this.mail = null;
      this.set_terminator('\r\n');
      this.say('250 taken');
      return;
    }
    const [verb] = text.toUpperCase().split(' ');
    if (verb === 'EHLO') this.say(this.protocol ? '250 hello' : '250-hello\r\n250 STARTTLS');
    else if (verb === 'STARTTLS' && !this.protocol) this.secure();
    else if (verb === 'MAIL') this.begin(text.slice(10));
    else if (verb === 'RCPT' && this.mail) this.say('250 yes');
    else if (verb === 'DATA' && this.mail) this.take();
    else if (verb === 'QUIT') this.leave();
    else this.say('503 not now');
  }

  secure() {
    this.say('220 go ahead'); // goes out in the clear, and what came behind STARTTLS is dropped
    this.mail = null;
    this.start_tls(options);
  }

  begin(from) {
    this.mail = { from };
    this.say('250 yes');
  }

  take() {
    this.mail.isComing = true;
    this.set_terminator('\r\n.\r\n');
    this.say('354 go on');
  }

  leave() {
    this.say('221 bye');
    this.close_when_done();
  }

  handle_tls_error(error) {
    console.error(`TLS: ${error.message}`); // the channel is closed afterwards
  }
}

class Server extends dispatcher {
  handle_accepted(sock) {
    const session = new Session(sock);
    session.set_terminator('\r\n');
    session.say('220 here');
  }
}

const server = new Server();
server.create_server(['127.0.0.1', Number(process.env.PORT ?? 0)]);
console.log('port', server.getsockname()[1]);
await loop();
