"""What the scenarios stand on: see README.md beside this file. Twin of stage.ts."""

import asyncore
import contextlib
import errno
import io
import os
import re
import select
import socket
import struct
import tempfile

families = {'inet': socket.AF_INET, 'inet6': socket.AF_INET6, 'unix': socket.AF_UNIX}


class Boom(Exception):
    """What a handler throws when a scenario wants it to fail."""


def name(error):
    """An error as the trace shows it."""
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return 'unresolved'
    if isinstance(error, OSError):
        return errno.errorcode[error.errno]
    return type(error).__name__


class Stage:
    """The map, the plain sockets and the trace of one run of one scenario."""

    def __init__(self, poller, family):
        self.use_poll = poller == 'poll'
        self.family = families[family]
        self.map = {}
        self.lines = []
        self.folder = tempfile.mkdtemp(prefix='stage')
        self.paths = []
        self.sockets = []
        self.door = None

    # the trace

    def say(self, *words):
        """One line of the trace. A line that comes again and again is shown twice at most."""
        line = ' '.join(str(word) for word in words)
        again = line.split(' ')[0] + ' ... again'
        if self.lines[-1:] == [line]:
            self.lines.append(again)
        elif self.lines[-2:] != [line, again]:
            self.lines.append(line)

    def attempt(self, what, function):
        """Calls a function and says what it throws. True when it threw nothing."""
        try:
            function()
            return True
        except Exception as error:
            self.say(what, 'raised', name(error))
            return False

    @contextlib.contextmanager
    def printing(self):
        """Says what is written to standard output and standard error meanwhile."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
        for line in out.getvalue().splitlines():
            self.say('stdout', line)
        for line in err.getvalue().splitlines():
            self.say('stderr', line)

    def show(self, channel):
        """How a channel is printed, without its module, its port and its address in memory."""
        form = re.sub(r' at 0x[0-9a-f]+', '', repr(channel))
        self.say('repr', re.sub(r':\d+>', ':PORT>', form.replace(type(channel).__module__ + '.', '')))

    # the loop

    def step(self, timeout):
        """One pass, which waits for so many seconds at most. True when it threw nothing."""
        return self.attempt('loop', lambda: asyncore.loop(timeout, self.use_poll, self.map, 1))

    def passes(self, count):
        """So many passes that do not wait, fewer when one throws."""
        for _ in range(count):
            if not self.step(0):
                return

    def until(self, condition):
        """Passes until the condition holds or one throws."""
        for _ in range(100):
            if condition() or not self.step(0.05):
                return
        self.say('loop waited in vain')

    def has(self, channel):
        return channel in self.map.values()

    def gone(self, channel):
        """Passes until the channel has left the map."""
        self.until(lambda: not self.has(channel))

    # plain sockets

    def plain(self, type=socket.SOCK_STREAM):
        sock = socket.socket(self.family, type)
        sock.setblocking(False)
        self.sockets.append(sock)
        return sock

    def address(self):
        """Somewhere to bind to."""
        if self.family == socket.AF_INET:
            return ('127.0.0.1', 0)
        if self.family == socket.AF_INET6:
            return ('::1', 0)
        self.paths.append(os.path.join(self.folder, str(len(self.paths))))
        return self.paths[-1]

    def bound(self, type=socket.SOCK_STREAM):
        """A socket with an address. A stream that connects to it is refused."""
        sock = self.plain(type)
        sock.bind(self.address())
        return sock

    def listening(self):
        sock = self.bound()
        sock.listen(5)
        return sock

    def peer(self, address):
        """A socket connected to a listening one."""
        sock = self.plain()
        sock.connect_ex(address)
        self.arrived(sock, select.POLLOUT)
        return sock

    def pair(self):
        """Two connected streams: one for a channel, and its peer."""
        # Kept open: a descriptor freed here would turn up in the middle of a scenario.
        self.door = self.door or self.listening()
        peer = self.peer(self.door.getsockname())
        self.arrived(self.door, select.POLLIN)
        sock, _ = self.door.accept()
        self.sockets.append(sock)
        sock.setblocking(False)
        return sock, peer

    def datagrams(self):
        """Two datagram sockets connected to each other."""
        sock, peer = self.bound(socket.SOCK_DGRAM), self.bound(socket.SOCK_DGRAM)
        sock.connect(peer.getsockname())
        peer.connect(sock.getsockname())
        return sock, peer

    def next_is(self, descriptor):
        """Sees to it that the next descriptor gets this number as soon as it is closed: none below it is free."""
        while True:
            sock = socket.socket()
            if sock.fileno() > descriptor:
                break
            self.sockets.append(sock)
        sock.close()

    def arrived(self, sock, events):
        """Waits until the kernel reports one of these events on a socket."""
        poller = select.poll()
        poller.register(sock, events)
        if not poller.poll(5000):
            self.say('peer', 'waited in vain')

    def hear(self, peer, size=8192):
        """Says what a peer receives next."""
        self.arrived(peer, select.POLLIN)
        try:
            data = peer.recv(size)
            self.say('peer recv', len(data), data)
        except OSError as error:
            self.say('peer recv', name(error))

    def ended(self, sock):
        """Waits until the other end's close has arrived at a socket."""
        self.arrived(sock, select.POLLRDHUP)

    def reset(self, peer):
        """Closes a TCP connection with RST instead of FIN."""
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        peer.close()

    def close(self):
        asyncore.close_all(self.map, True)
        for sock in self.sockets:
            sock.close()
        for path in self.paths:
            if os.path.exists(path):
                os.unlink(path)
        os.rmdir(self.folder)


def logged(message, type):
    """A logged line as the trace shows it: up to what tells of the channel or the traceback."""
    message = re.sub(r'uncaptured .*exception.*', 'uncaptured exception', message)
    return type + ': ' + re.sub(r': <.*', '', message)


class Plain(asyncore.dispatcher):
    """A channel with a name, all of whose handlers are the library's own."""

    def __init__(self, stage, name, sock=None):
        super().__init__(sock, stage.map)
        self.stage = stage
        self.name = name

    def say(self, *words):
        self.stage.say(self.name, *words)

    def log_info(self, message, type='info'):
        self.say('log_info', logged(message, type))

    def serve(self):
        self.create_socket(self.stage.family)
        self.set_reuse_addr()
        self.bind(self.stage.address())
        self.listen(5)
        return self

    def call(self, address):
        self.create_socket(self.stage.family)
        self.connect(address)
        return self


class Actor(Plain):
    """A channel that says what it receives, what goes wrong and that it closes."""

    def recv(self, size):
        data = super().recv(size)
        self.say('recv', len(data), data)
        return data

    def send(self, data):
        sent = super().send(data)
        self.say('send', sent)
        return sent

    def handle_error(self):
        self.say('handle_error', name(asyncore.compact_traceback()[2]))
        super().handle_error()

    def handle_close(self):
        self.say('handle_close')
        self.close()


class Reader(Actor):
    """Wants to write only until it is connected."""

    size = 8192

    def writable(self):
        return not self.connected

    def handle_read(self):
        self.say('handle_read')
        self.recv(self.size)
