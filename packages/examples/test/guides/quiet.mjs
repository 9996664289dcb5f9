import { dispatcher } from '@asyncore/core';

class Quiet extends dispatcher {
  log_info(message, type = 'info') {
    if (type === 'error') console.error(message);
  }
}

const channel = new Quiet();
channel.log_info('of interest to nobody');
channel.log_info('an error', 'error');
