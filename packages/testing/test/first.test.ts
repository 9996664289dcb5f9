import { simulate } from '@asyncore/testing';
import { expect, test } from 'vitest';
import { CalculatorServer } from './lines.js';

test('answers, and lets a silent client go after half a minute', () =>
  simulate({}, async (net) => {
    new CalculatorServer(7000);
    const peer = net.connect(['127.0.0.1', 7000]).send('add 1 2\r\n');
    expect(await peer.expect(/= .*\r\n/)).toBe('+ ready\r\n= 3\r\n');
    await net.advance(29);
    expect(peer.ended).toBe(null);
    expect(await peer.end()).toBe('end');
  }));
