import type { Binding, Memory } from '@asyncore/socket/kernel';
import { bytesOf } from './byte_queue.js';
import type { Kernel } from './kernel.js';
import { E, errorName } from './numbers.js';
import { shownBytes } from './shown_bytes.js';

const HOW = ['SHUT_RD', 'SHUT_WR', 'SHUT_RDWR'];

/** The same functions; the calls that move something are noted, with the handler that makes them. */
export function traced(binding: Binding, kernel: Kernel): Binding {
  const note = (fd: number, what: string) => {
    const handler = handlerOf(new Error().stack ?? '');
    const file = kernel.file(fd) ?? null;
    kernel.world.note?.(file, handler === '' ? what : `${what}  in ${handler}`);
  };
  const sent = (call: string, fd: number, views: readonly ArrayBufferView[], result: number) => {
    const data = Buffer.concat(views.map(bytesOf));
    const taken = result < 0 || result === data.length ? '' : `, ${result} of ${data.length} taken`;
    note(fd, `${call} ${shownBytes(data)}${failed(result)}${taken}`);
    return result;
  };
  const got = (call: string, fd: number, into: Memory, result: number) => {
    note(
      fd,
      result < 0
        ? `${call}${failed(result)}`
        : `${call} ${shownBytes(bytesOf(into).subarray(0, result))}`,
    );
    return result;
  };
  return {
    ...binding,
    recv: (fd, into, length, flags) => got('recv', fd, into, binding.recv(fd, into, length, flags)),
    recvfrom: (fd, into, length, flags, address) =>
      got('recvfrom', fd, into, binding.recvfrom(fd, into, length, flags, address)),
    recvmsg: (fd, into, length, flags, address, control, out) =>
      got('recvmsg', fd, into, binding.recvmsg(fd, into, length, flags, address, control, out)),
    recvmmsg(fd, into, size, count, flags, addresses, lengths) {
      const result =
        binding.recvmmsg?.(fd, into, size, count, flags, addresses, lengths) ?? -E.ENOSYS;
      if (result < 0) note(fd, `recvmmsg${failed(result)}`);
      for (let i = 0; i < result; i++) {
        got('recvmmsg', fd, bytesOf(into).subarray(i * size), Math.min(lengths[i], size));
      }
      return result;
    },
    read: (fd, into, length) => got('read', fd, into, binding.read(fd, into, length)),
    send: (fd, data, flags) => sent('send', fd, [data], binding.send(fd, data, flags)),
    sendto: (fd, data, flags, address) =>
      sent('sendto', fd, [data], binding.sendto(fd, data, flags, address)),
    sendmsg: (fd, buffers, flags, address, control) =>
      sent('sendmsg', fd, buffers, binding.sendmsg(fd, buffers, flags, address, control)),
    sendmmsg(fd, buffers, flags, addresses) {
      const result = binding.sendmmsg?.(fd, buffers, flags, addresses) ?? -E.ENOSYS;
      if (result < 0) note(fd, `sendmmsg${failed(result)}`);
      for (const buffer of buffers.slice(0, Math.max(result, 0))) {
        sent('sendmmsg', fd, [buffer], buffer.byteLength);
      }
      return result;
    },
    write: (fd, data) => sent('write', fd, [data], binding.write(fd, data)),
    sendfile(fd, file, offset, count) {
      const result = binding.sendfile(fd, file, offset, count);
      const what = result < 0 ? failed(result) : ` ${result} bytes from ${offset} on`;
      note(fd, `sendfile${what}`);
      return result;
    },
    shutdown(fd, how) {
      const result = binding.shutdown(fd, how);
      note(fd, `shutdown ${HOW[how]}${failed(result)}`);
      return result;
    },
    close(fd) {
      note(fd, 'close');
      return binding.close(fd);
    },
  };
}

function failed(result: number): string {
  return result < 0 ? ` = ${errorName(-result)}` : '';
}

/** The innermost handler in a stack: 'EchoHandler.handle_read'. */
function handlerOf(stack: string): string {
  const handler =
    /at (?:async )?(\S+\.(?:handle_\w+|found_terminator|collect_incoming_data))(?: |$)/m;
  for (const [, name] of stack.matchAll(new RegExp(handler, 'gm'))) {
    if (!/_event$/.test(name)) return name;
  }
  return '';
}
