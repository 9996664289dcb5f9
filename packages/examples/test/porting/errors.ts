import { compact_traceback, dispatcher } from '@asyncore/core';

export class Channel extends dispatcher {
  handle_error(error: unknown) {
    const [, type, value, info] = compact_traceback(error); // nil, t, v, tbinfo = …
    const name = typeof type === 'function' ? type.name : type; // ${type} would be the class's source
    this.log_info(`(${name}:${value} ${info})`, 'error');
    this.handle_close();
  }
}
