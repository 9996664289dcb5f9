"""A log relay: programs send it lines by UDP, and people watch them by TCP.

    log_relay.py [--udp 5140] [--tcp 5141]
"""
import argparse
import asynchat
import asyncore
import socket


class Collector(asyncore.dispatcher):
    """Takes datagrams and shows them to every viewer."""

    def __init__(self, address):
        asyncore.dispatcher.__init__(self)
        self.viewers = set()
        self.count = 0
        self.create_socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.bind(address)

    def writable(self):
        return False

    def handle_read(self):
        data, (host, port) = self.socket.recvfrom(8192)
        self.count += 1
        line = '%s %s' % (host, data.decode().rstrip())
        for viewer in list(self.viewers):
            viewer.show(line)


class Viewer(asynchat.async_chat):
    """Somebody who watches, and may say what: a command in each line."""

    def __init__(self, sock, collector):
        asynchat.async_chat.__init__(self, sock)
        self.set_terminator(b'\n')
        self.collector = collector
        self.line = []
        self.wanted = ''
        collector.viewers.add(self)

    def collect_incoming_data(self, data):
        self.line.append(data)

    def found_terminator(self):
        words = b''.join(self.line).decode().split()
        self.line = []
        if not words:
            return
        if words[0] == 'grep':
            self.wanted = ' '.join(words[1:])
            self.say('+ lines with "%s"' % self.wanted)
        elif words[0] == 'count':
            self.say('+ %d so far' % self.collector.count)
        elif words[0] == 'quit':
            self.say('+ bye')
            self.close_when_done()
        else:
            self.say('- what is %s? grep, count, quit' % words[0])

    def show(self, line):
        if self.wanted in line:
            self.say(line)

    def say(self, line):
        self.push(line.encode() + b'\r\n')

    def handle_close(self):
        self.collector.viewers.discard(self)
        self.close()


class Server(asyncore.dispatcher):
    """Makes a viewer of everybody who connects."""

    def __init__(self, address, collector):
        asyncore.dispatcher.__init__(self)
        self.collector = collector
        self.create_socket(socket.AF_INET, socket.SOCK_STREAM)
        self.set_reuse_addr()
        self.bind(address)
        self.listen(5)

    def handle_accepted(self, sock, addr):
        self.log_info('a viewer from %s' % addr[0])
        Viewer(sock, self.collector)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--udp', type=int, default=5140)
    parser.add_argument('--tcp', type=int, default=5141)
    options = parser.parse_args()
    collector = Collector(('127.0.0.1', options.udp))
    server = Server(('127.0.0.1', options.tcp), collector)
    udp = collector.socket.getsockname()[1]
    tcp = server.socket.getsockname()[1]
    print('lines to UDP port %d, viewers to TCP port %d' % (udp, tcp))
    told = 0
    while asyncore.socket_map:
        asyncore.loop(timeout=30, count=1)
        if collector.count >= told + 100:
            told = collector.count
            print('%d lines' % told)


if __name__ == '__main__':
    main()
