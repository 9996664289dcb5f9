"""What asyncore does in each scenario, as a trace: see README.md beside this file.

    python3 -B -W ignore scenarios.py SCENARIO POLLER FAMILY ...
    python3 -B -W ignore scenarios.py --names

SCENARIO is a function below, POLLER select or poll, FAMILY inet, inet6 or unix. Several runs may
be asked for at once. Twin of scenarios.ts: the same scenarios in the same order.
"""

import asyncore
import errno
import inspect
import select
import socket
import sys

from stage import Actor, Boom, Plain, Reader, Stage, name

# connecting and serving


def echo(stage):
    class server(Actor):
        def handle_accepted(self, sock, addr):
            self.say('handle_accepted')
            handler(stage, 'handler', sock)

    class handler(Reader):
        def handle_read(self):
            self.say('handle_read')
            data = self.recv(8192)
            if data:
                self.send(data)

    class client(Actor):
        asked = False

        def handle_connect(self):
            self.say('handle_connect')

        def writable(self):
            return not self.asked

        def handle_write(self):
            self.say('handle_write')
            self.send(b'hello')
            self.asked = True

        def handle_read(self):
            self.say('handle_read')
            self.recv(8192)
            self.close()

    listener = server(stage, 'server').serve()
    client(stage, 'client').call(listener.socket.getsockname())
    stage.until(lambda: len(stage.map) == 3)
    stage.until(lambda: len(stage.map) == 1)


def connected_in_handle_connect(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect', 'connected', self.connected, 'connecting', self.connecting)

        def handle_write(self):
            self.say('handle_write', 'connected', self.connected, 'connecting', self.connecting)

    channel = client(stage, 'client')
    channel.say('connected', channel.connected, 'connecting', channel.connecting)
    channel.call(stage.listening().getsockname())
    stage.until(lambda: channel.connected)
    channel.say('connected', channel.connected, 'connecting', channel.connecting)
    channel.close()
    channel.say('connected', channel.connected, 'connecting', channel.connecting)


def send_in_handle_connect(stage):
    class client(asyncore.dispatcher_with_send):
        def handle_connect(self):
            stage.say('client handle_connect')
            self.send(b'hello')

    listener = stage.listening()
    channel = client(None, stage.map)
    channel.create_socket(stage.family)
    channel.connect(listener.getsockname())
    stage.until(lambda: channel.connected)
    peer, _ = listener.accept()
    stage.hear(peer)
    peer.close()


def server_speaks_first(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect')

        def handle_write(self):
            self.say('handle_write')

    listener = stage.listening()
    channel = client(stage, 'client').call(listener.getsockname())
    stage.arrived(listener, select.POLLIN)
    peer, _ = listener.accept()
    peer.send(b'welcome')
    stage.arrived(channel.socket, select.POLLIN)
    stage.passes(3)
    peer.close()
    stage.gone(channel)


def connection_seen_by_reading(stage):
    class client(Reader):
        def writable(self):
            return False

        def handle_connect(self):
            self.say('handle_connect')

    listener = stage.listening()
    channel = client(stage, 'client').call(listener.getsockname())
    stage.arrived(listener, select.POLLIN)
    peer, _ = listener.accept()
    peer.send(b'welcome')
    stage.arrived(channel.socket, select.POLLIN)
    stage.passes(2)
    peer.close()


def sent_before_connected(stage):
    listener = stage.listening()
    channel = asyncore.dispatcher_with_send(None, stage.map)
    channel.create_socket(stage.family)
    channel.connect(listener.getsockname())
    channel.send(b'hello')
    stage.until(lambda: channel.connected and not channel.out_buffer)
    peer, _ = listener.accept()
    stage.hear(peer)
    peer.close()


def sent_and_closed_in_handle_read(stage):
    class answerer(asyncore.dispatcher_with_send):
        def handle_read(self):
            self.recv(8192)
            self.send(b'hello ')
            self.send(b'and goodbye')
            self.close()

    sock, peer = stage.pair()
    channel = answerer(sock, stage.map)
    peer.send(b'hello')
    stage.gone(channel)
    stage.hear(peer)
    stage.hear(peer)


def two_at_once(stage):
    class both(Actor):
        done = False

        def writable(self):
            return not self.done

        def handle_read(self):
            self.say('handle_read')
            self.recv(8192)

        def handle_write(self):
            self.say('handle_write')
            self.done = True

    for channel in 'first', 'second':
        sock, peer = stage.pair()
        both(stage, channel, sock)
        peer.send(b'hello')
        stage.arrived(sock, select.POLLIN)
    stage.passes(3)


def wrapped_sockets(stage):
    connected, _ = stage.pair()
    for sock in connected, stage.plain(), stage.bound(), stage.listening():
        channel = Actor(stage, 'channel', sock)
        channel.say('connected', channel.connected, 'accepting', channel.accepting)
        channel.say('has addr', channel.addr is not None)
        channel.close()


# accepting


def many_waiting(stage):
    class server(Actor):
        def handle_accepted(self, sock, addr):
            self.say('handle_accepted')
            sock.close()

    listener = server(stage, 'server').serve()
    for _ in range(3):
        stage.peer(listener.socket.getsockname())
    stage.step(1)
    stage.say('one pass is over')
    stage.passes(5)


def own_handle_accept(stage):
    class server(Actor):
        def handle_accept(self):
            self.say('handle_accept')
            sock, addr = self.accept()
            self.say('accepted')
            sock.close()

    listener = server(stage, 'server').serve()
    for _ in range(2):
        stage.peer(listener.socket.getsockname())
        stage.step(1)
    stage.passes(2)


def nothing_to_accept(stage):
    listener = Actor(stage, 'server').serve()
    listener.say('accept', listener.accept())
    listener.handle_accept()
    listener.say('in the map', stage.has(listener))


def paused_listener(stage):
    class server(Actor):
        paused = True

        def readable(self):
            return not self.paused

        def handle_accepted(self, sock, addr):
            self.say('handle_accepted')
            sock.close()

    listener = server(stage, 'server').serve()
    stage.peer(listener.socket.getsockname())
    stage.passes(2)
    listener.say('resumes')
    listener.paused = False
    stage.passes(2)


def out_of_descriptors(stage):
    class exhausted(socket.socket):
        tries = 0

        def accept(self):
            self.tries += 1
            if self.tries == 1:
                raise OSError(errno.EMFILE, 'accept')
            return super().accept()

    class server(Actor):
        accepted = False

        def handle_accepted(self, sock, addr):
            self.say('handle_accepted')
            self.accepted = True
            sock.close()

    listener = server(stage, 'server')
    listener.set_socket(exhausted(stage.family))
    listener.socket.setblocking(False)
    listener.bind(stage.address())
    listener.listen(5)
    stage.peer(listener.socket.getsockname())
    stage.until(lambda: listener.accepted or not stage.has(listener))
    listener.say('in the map', stage.has(listener))


def listener_closed_with_connections_waiting(stage):
    class server(Actor):
        def handle_accepted(self, sock, addr):
            self.say('handle_accepted')
            sock.close()
            self.close()

    listener = server(stage, 'server').serve()
    first = stage.peer(listener.socket.getsockname())
    second = stage.peer(listener.socket.getsockname())
    stage.gone(listener)
    stage.passes(2)
    stage.hear(first)
    stage.hear(second)


def listener_shut_down(stage):
    listener = Actor(stage, 'server').serve()
    listener.socket.shutdown(socket.SHUT_RD)
    stage.gone(listener)


# attempts that fail


def refused(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect')

    channel = client(stage, 'client')
    if stage.attempt('connect', lambda: channel.call(stage.bound().getsockname())):
        stage.gone(channel)
    channel.say('in the map', stage.has(channel))


def refused_seen_by_reading(stage):
    class client(Reader):
        def writable(self):
            return False

        def handle_connect(self):
            self.say('handle_connect')

    channel = client(stage, 'client').call(stage.bound().getsockname())
    stage.gone(channel)


def refused_and_kept_open(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect')

        def handle_write(self):
            self.say('handle_write')

        def handle_error(self):
            self.say('handle_error', name(sys.exc_info()[1]))

    channel = client(stage, 'client').call(stage.bound().getsockname())
    stage.arrived(channel.socket, select.POLLOUT)
    stage.passes(4)
    channel.say('in the map', stage.has(channel))


def refused_then_tried_again(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect')

        def handle_write(self):
            self.say('handle_write')

        def handle_error(self):
            self.say('handle_error', name(sys.exc_info()[1]))
            self.close()
            self.call(listener.getsockname())

    listener = stage.listening()
    channel = client(stage, 'client').call(stage.bound().getsockname())
    stage.until(lambda: channel.connected)


def reset_before_connected(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect')

    listener = stage.listening()
    channel = client(stage, 'client').call(listener.getsockname())
    stage.arrived(listener, select.POLLIN)
    peer, _ = listener.accept()
    stage.reset(peer)
    stage.ended(channel.socket)
    stage.gone(channel)


def queue_of_the_listener_full(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect')

        def handle_write(self):
            self.say('handle_write')

    listener = stage.bound()
    listener.listen(0)
    stage.peer(listener.getsockname())
    channel = client(stage, 'client')
    stage.attempt('connect', lambda: channel.call(listener.getsockname()))
    stage.passes(2)
    channel.say('connected', channel.connected)


def address_in_use(stage):
    channel = Actor(stage, 'server')
    channel.create_socket(stage.family)
    address = stage.listening().getsockname()
    stage.attempt('bind', lambda: channel.bind(address))
    channel.say('in the map', stage.has(channel), 'accepting', channel.accepting)


def connected_twice(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect')

    address = stage.listening().getsockname()
    channel = client(stage, 'client').call(address)
    stage.until(lambda: channel.connected)
    stage.attempt('connect', lambda: channel.connect(address))
    channel.say('connected', channel.connected, 'connecting', channel.connecting)


def name_that_fails(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect')

    channel = client(stage, 'client')
    if stage.attempt('connect', lambda: channel.call(('nowhere.invalid', 80))):
        stage.gone(channel)
    channel.say('in the map', stage.has(channel))


def neither_connected_nor_connecting(stage):
    class client(Actor):
        def handle_read(self):
            self.say('handle_read')

        def handle_write(self):
            self.say('handle_write')

    channel = client(stage, 'client')
    channel.create_socket(stage.family)
    stage.passes(3)
    channel.say('in the map', stage.has(channel))


# the end of a connection


def closed_by_peer(stage):
    sock, peer = stage.pair()
    channel = Reader(stage, 'channel', sock)
    peer.close()
    stage.gone(channel)
    stage.passes(2)


def closed_by_peer_after_data(stage):
    sock, peer = stage.pair()
    channel = Reader(stage, 'channel', sock)
    channel.size = 8
    peer.send(b'twenty bytes of data')
    peer.close()
    stage.ended(sock)
    stage.gone(channel)
    stage.passes(2)


def closed_by_peer_while_writing(stage):
    class writer(Actor):
        def handle_read(self):
            self.say('handle_read')
            self.recv(8)

        def handle_write(self):
            self.say('handle_write')

    sock, peer = stage.pair()
    channel = writer(stage, 'channel', sock)
    peer.send(b'twenty bytes of data')
    peer.close()
    stage.ended(sock)
    stage.gone(channel)
    stage.passes(2)


def closed_by_peer_before_connected(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect')

        def handle_write(self):
            self.say('handle_write')

    listener = stage.listening()
    channel = client(stage, 'client').call(listener.getsockname())
    stage.arrived(listener, select.POLLIN)
    peer, _ = listener.accept()
    peer.send(b'goodbye')
    peer.close()
    stage.ended(channel.socket)
    stage.gone(channel)


def closed_twice(stage):
    sock, peer = stage.pair()
    channel = Actor(stage, 'channel', sock)
    channel.close()
    channel.close()
    stage.hear(peer)
    channel.send(b'hello')
    channel.recv(8192)


def reset_while_idle(stage):
    sock, peer = stage.pair()
    channel = Reader(stage, 'channel', sock)
    stage.passes(1)
    stage.reset(peer)
    stage.gone(channel)
    stage.passes(2)


def reset_with_data_waiting(stage):
    sock, peer = stage.pair()
    channel = Reader(stage, 'channel', sock)
    channel.size = 8
    peer.send(b'twenty bytes of data')
    stage.reset(peer)
    stage.ended(sock)
    stage.gone(channel)
    stage.passes(2)


def reset_seen_by_own_recv(stage):
    class channel(Reader):
        def handle_read(self):
            self.say('handle_read')
            self.socket.recv(8)

    sock, peer = stage.pair()
    reader = channel(stage, 'channel', sock)
    stage.reset(peer)
    stage.gone(reader)
    stage.passes(2)


def timed_out(stage):
    class channel(Reader):
        def handle_read(self):
            self.say('handle_read')
            raise OSError(errno.ETIMEDOUT, 'recv')

    sock, peer = stage.pair()
    reader = channel(stage, 'channel', sock)
    peer.send(b'hello')
    stage.gone(reader)


def sent_to_nobody(stage):
    sock, peer = stage.pair()
    channel = Actor(stage, 'channel', sock)
    peer.close()
    stage.ended(sock)
    for _ in range(3):
        if stage.has(channel):
            channel.send(b'hello')


def half_closed(stage):
    sock, peer = stage.pair()
    channel = Reader(stage, 'channel', sock)
    peer.send(b'hello')
    peer.shutdown(socket.SHUT_WR)
    stage.gone(channel)
    stage.hear(peer)


def half_closed_and_answered(stage):
    class answerer(Reader):
        def handle_eof(self):
            self.say('handle_eof')
            self.send(b'goodbye')
            self.close()

    sock, peer = stage.pair()
    channel = answerer(stage, 'channel', sock)
    peer.send(b'hello')
    peer.shutdown(socket.SHUT_WR)
    stage.gone(channel)
    stage.hear(peer)


def end_of_data_noted(stage):
    class noting(Reader):
        def handle_eof(self):
            self.say('handle_eof')

    sock, peer = stage.pair()
    channel = noting(stage, 'channel', sock)
    channel.size = 8
    peer.send(b'some data')
    peer.close()
    stage.ended(sock)
    stage.passes(5)
    channel.say('in the map', stage.has(channel))


def half_closed_by_us(stage):
    sock, peer = stage.pair()
    channel = Reader(stage, 'channel', sock)
    channel.socket.shutdown(socket.SHUT_WR)
    stage.hear(peer)
    peer.send(b'still here')
    stage.until(lambda: stage.lines[-1].startswith('channel recv'))
    peer.close()
    stage.gone(channel)


def close_forgotten(stage):
    class forgetful(Reader):
        def handle_close(self):
            self.say('handle_close')

    sock, peer = stage.pair()
    channel = forgetful(stage, 'channel', sock)
    peer.close()
    stage.ended(sock)
    stage.passes(3)
    channel.say('in the map', stage.has(channel))


def closed_behind_its_back(stage):
    class killer(Reader):
        def handle_read(self):
            super().handle_read()
            victim.socket.close()

    sock, peer = stage.pair()
    victim_sock, _ = stage.pair()
    killer(stage, 'killer', sock)
    victim = Reader(stage, 'victim', victim_sock)
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.attempt('loop', lambda: asyncore.loop(0, stage.use_poll, stage.map, 3))
    victim.say('in the map', stage.has(victim))


def left_unread(stage):
    class idle(Reader):
        def handle_read(self):
            self.say('handle_read')

    sock, peer = stage.pair()
    channel = idle(stage, 'channel', sock)
    peer.send(b'hello')
    peer.close()
    stage.ended(sock)
    stage.passes(3)
    channel.say('in the map', stage.has(channel))


def nothing_asked_for(stage):
    sock, peer = stage.pair()
    channel = Reader(stage, 'channel', sock)
    channel.size = 0
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(1)
    channel.say('in the map', stage.has(channel))


# out of band


def out_of_band(stage):
    class channel(Reader):
        def handle_expt(self):
            self.say('handle_expt', self.socket.recv(1, socket.MSG_OOB))

    sock, peer = stage.pair()
    channel(stage, 'channel', sock)
    peer.send(b'!', socket.MSG_OOB)
    stage.arrived(sock, select.POLLPRI)
    stage.passes(3)
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(3)


def out_of_band_and_data(stage):
    class channel(Reader):
        def handle_expt(self):
            self.say('handle_expt', self.socket.recv(1, socket.MSG_OOB))

    sock, peer = stage.pair()
    channel(stage, 'channel', sock)
    peer.send(b'before')
    peer.send(b'!', socket.MSG_OOB)
    peer.send(b'after')
    stage.arrived(sock, select.POLLPRI)
    stage.passes(4)


def out_of_band_left_unread(stage):
    class channel(Reader):
        def handle_expt(self):
            self.say('handle_expt')

    sock, peer = stage.pair()
    channel(stage, 'channel', sock)
    peer.send(b'!', socket.MSG_OOB)
    stage.arrived(sock, select.POLLPRI)
    stage.passes(5)


# exceptions


class Troubled(Actor):
    """Throws `error` in the handler or predicate called `where`."""

    def __init__(self, stage, sock, where, error):
        super().__init__(stage, 'channel', sock)
        self.where = where
        self.error = error

    def trouble(self, where):
        self.say(where)
        if where == self.where:
            raise self.error()

    def readable(self):
        if self.where == 'readable':
            self.trouble('readable')
        return True

    def writable(self):
        if self.where == 'writable':
            self.trouble('writable')
        return not self.connected or self.where == 'handle_write'

    def handle_read(self):
        self.trouble('handle_read')
        if self.where == 'handle_error':
            raise Boom()
        self.recv(8192)

    def handle_write(self):
        self.trouble('handle_write')

    def handle_connect(self):
        self.trouble('handle_connect')

    def handle_accept(self):
        self.trouble('handle_accept')
        super().handle_accept()

    def handle_accepted(self, sock, addr):
        self.trouble('handle_accepted')
        sock.close()

    def handle_expt(self):
        self.trouble('handle_expt')
        self.socket.recv(1, socket.MSG_OOB)

    def handle_error(self):
        if self.where == 'handle_error':
            self.trouble('handle_error')
        super().handle_error()

    def handle_close(self):
        self.trouble('handle_close')
        self.close()


def raising(error, where):
    def scenario(stage):
        if where == 'handle_connect':
            channel = Troubled(stage, None, where, error)
            address = stage.listening().getsockname()
            stage.attempt('connect', lambda: channel.call(address))
            stage.arrived(channel.socket, select.POLLOUT)
        elif where in ('handle_accept', 'handle_accepted'):
            channel = Troubled(stage, None, where, error).serve()
            stage.peer(channel.socket.getsockname())
            stage.arrived(channel.socket, select.POLLIN)
        else:
            sock, peer = stage.pair()
            channel = Troubled(stage, sock, where, error)
            if where in ('handle_read', 'handle_error'):
                peer.send(b'hello')
                stage.arrived(sock, select.POLLIN)
            elif where == 'handle_expt':
                peer.send(b'!', socket.MSG_OOB)
                stage.arrived(sock, select.POLLPRI)
            elif where == 'handle_close':
                peer.close()
                stage.ended(sock)
        stage.step(0)
        stage.step(0)
        channel.say('in the map', stage.has(channel))

    return scenario


boom_in_readable = raising(Boom, 'readable')
boom_in_writable = raising(Boom, 'writable')
boom_in_handle_read = raising(Boom, 'handle_read')
boom_in_handle_write = raising(Boom, 'handle_write')
boom_in_handle_connect = raising(Boom, 'handle_connect')
boom_in_handle_accept = raising(Boom, 'handle_accept')
boom_in_handle_accepted = raising(Boom, 'handle_accepted')
boom_in_handle_expt = raising(Boom, 'handle_expt')
boom_in_handle_close = raising(Boom, 'handle_close')
boom_in_handle_error = raising(Boom, 'handle_error')

exit_in_readable = raising(asyncore.ExitNow, 'readable')
exit_in_writable = raising(asyncore.ExitNow, 'writable')
exit_in_handle_read = raising(asyncore.ExitNow, 'handle_read')
exit_in_handle_write = raising(asyncore.ExitNow, 'handle_write')
exit_in_handle_connect = raising(asyncore.ExitNow, 'handle_connect')
exit_in_handle_accept = raising(asyncore.ExitNow, 'handle_accept')
exit_in_handle_accepted = raising(asyncore.ExitNow, 'handle_accepted')
exit_in_handle_expt = raising(asyncore.ExitNow, 'handle_expt')
exit_in_handle_close = raising(asyncore.ExitNow, 'handle_close')
exit_in_handle_error = raising(asyncore.ExitNow, 'handle_error')


def boom_spares_the_neighbour(stage):
    class faulty(Reader):
        def handle_read(self):
            self.say('handle_read')
            raise Boom()

    for kind, channel in (faulty, 'faulty'), (Reader, 'neighbour'):
        sock, peer = stage.pair()
        kind(stage, channel, sock)
        peer.send(b'hello')
        stage.arrived(sock, select.POLLIN)
    stage.passes(2)


def exit_keeps_the_neighbours_event(stage):
    class leaving(Reader):
        def handle_read(self):
            super().handle_read()
            raise asyncore.ExitNow()

    for kind, channel in (leaving, 'leaving'), (Reader, 'neighbour'):
        sock, peer = stage.pair()
        kind(stage, channel, sock)
        peer.send(b'hello')
        stage.arrived(sock, select.POLLIN)
    stage.step(1)
    stage.step(1)


def error_survived(stage):
    class tough(Reader):
        def handle_read(self):
            super().handle_read()
            raise Boom()

        def handle_error(self):
            self.say('handle_error', name(sys.exc_info()[1]))

    sock, peer = stage.pair()
    tough(stage, 'channel', sock)
    for data in b'first', b'second':
        peer.send(data)
        stage.arrived(sock, select.POLLIN)
        stage.passes(1)


def boom_after_accepting(stage):
    class server(Actor):
        def handle_accepted(self, sock, addr):
            self.say('handle_accepted')
            Reader(stage, 'accepted', sock)
            raise Boom()

    listener = server(stage, 'server').serve()
    stage.peer(listener.socket.getsockname())
    stage.step(1)
    stage.say('in the map', *(channel.name for channel in stage.map.values()))


def nothing_to_read(stage):
    class eager(Reader):
        def handle_read(self):
            super().handle_read()
            super().handle_read()

    sock, peer = stage.pair()
    channel = eager(stage, 'channel', sock)
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(2)
    channel.say('in the map', stage.has(channel))


# closing inside a handler


class Quitter(Actor):
    """Closes itself in the handler called `where`."""

    def __init__(self, stage, sock, where):
        super().__init__(stage, 'channel', sock)
        self.where = where

    def quit(self, where):
        self.say(where)
        if where == self.where:
            self.close()

    def handle_read(self):
        self.quit('handle_read')

    def handle_write(self):
        self.quit('handle_write')

    def handle_connect(self):
        self.quit('handle_connect')

    def handle_accept(self):
        self.quit('handle_accept')

    def handle_expt(self):
        self.quit('handle_expt')


def quitting(where):
    def scenario(stage):
        if where == 'handle_connect':
            channel = Quitter(stage, None, where)
            channel.call(stage.listening().getsockname())
        elif where == 'handle_accept':
            channel = Quitter(stage, None, where).serve()
            peer = stage.peer(channel.socket.getsockname())
        else:
            sock, peer = stage.pair()
            channel = Quitter(stage, sock, where)
            if where == 'handle_read':
                peer.send(b'hello')
                stage.arrived(sock, select.POLLIN)
            if where == 'handle_expt':
                peer.send(b'!', socket.MSG_OOB)
                stage.arrived(sock, select.POLLPRI)
        stage.passes(2)
        channel.say('in the map', stage.has(channel))
        if where != 'handle_connect':
            stage.hear(peer)

    return scenario


closes_itself_in_handle_read = quitting('handle_read')
closes_itself_in_handle_write = quitting('handle_write')
closes_itself_in_handle_connect = quitting('handle_connect')
closes_itself_in_handle_accept = quitting('handle_accept')
closes_itself_in_handle_expt = quitting('handle_expt')


def closes_its_neighbour(stage):
    class killer(Reader):
        def handle_read(self):
            super().handle_read()
            other = channels[1 - channels.index(self)]
            other.close()

    channels = []
    peers = []
    for channel in 'first', 'second':
        sock, peer = stage.pair()
        channels.append(killer(stage, channel, sock))
        peers.append(peer)
        peer.send(b'hello')
        stage.arrived(sock, select.POLLIN)
    stage.passes(2)
    stage.hear(peers[1])


def closes_all_in_a_handler(stage):
    class last(Reader):
        def handle_read(self):
            super().handle_read()
            asyncore.close_all(stage.map)

    for channel in 'first', 'second':
        sock, peer = stage.pair()
        last(stage, channel, sock)
        peer.send(b'hello')
        stage.arrived(sock, select.POLLIN)
    asyncore.loop(30, stage.use_poll, stage.map)
    stage.say('the loop is over')


def descriptor_reused(stage):
    class killer(Reader):
        def handle_read(self):
            super().handle_read()
            descriptor = victim.socket.fileno()
            stage.next_is(descriptor)
            victim.close()
            heir = newcomer(stage, 'newcomer').call(listener.getsockname())
            heir.say("has the victim's descriptor", heir.socket.fileno() == descriptor)

    class newcomer(Reader):
        def handle_connect(self):
            self.say('handle_connect')

        def handle_write(self):
            self.say('handle_write')

    listener = stage.listening()
    sock, peer = stage.pair()
    victim_sock, victim_peer = stage.pair()
    killer(stage, 'killer', sock)
    victim = Reader(stage, 'victim', victim_sock)
    for sender, receiver in (peer, sock), (victim_peer, victim_sock):
        sender.send(b'hello')
        stage.arrived(receiver, select.POLLIN)
    stage.passes(3)


def opened_in_a_handler(stage):
    class opener(Reader):
        def handle_read(self):
            super().handle_read()
            sock, peer = stage.pair()
            peer.send(b'hello again')
            stage.arrived(sock, select.POLLIN)
            Reader(stage, 'opened', sock)

    sock, peer = stage.pair()
    opener(stage, 'opener', sock)
    peer.send(b'hello')
    stage.step(1)
    stage.say('one pass is over')
    stage.passes(2)


# output


def large_output(stage):
    sock, peer = stage.pair()
    channel = asyncore.dispatcher_with_send(sock, stage.map)
    data = bytes(range(251)) * 20000
    channel.send(data)
    stage.say('channel still has output', len(channel.out_buffer) > 0)
    heard = bytearray()

    def all_heard():
        try:
            while chunk := peer.recv(1 << 20):
                heard.extend(chunk)
        except BlockingIOError:
            pass
        return len(heard) == len(data)

    stage.until(all_heard)
    stage.say('peer heard', len(heard), 'the same', heard == data)
    stage.say('channel still has output', len(channel.out_buffer) > 0)
    stage.say('channel writable', bool(channel.writable()))


def kernel_full(stage):
    sock, _ = stage.pair()
    channel = Plain(stage, 'channel', sock)
    while channel.send(bytes(1 << 20)) > 0:
        pass
    channel.say('sent nothing')
    channel.say('in the map', stage.has(channel))


def written_until_done(stage):
    class writer(Actor):
        left = 3

        def readable(self):
            return False

        def writable(self):
            return self.left > 0

        def handle_write(self):
            self.say('handle_write')
            self.send(b'line %d' % self.left)
            self.left -= 1

    sock, peer = stage.pair()
    writer(stage, 'channel', sock)
    stage.passes(5)
    stage.hear(peer)


def writer_whose_peer_left(stage):
    class writer(Actor):
        def readable(self):
            return False

        def handle_write(self):
            self.say('handle_write')
            self.send(b'hello')

    sock, peer = stage.pair()
    channel = writer(stage, 'channel', sock)
    peer.close()
    stage.ended(sock)
    stage.gone(channel)


# asking for less


def paused_and_resumed(stage):
    class pausing(Reader):
        paused = True

        def readable(self):
            return not self.paused

    sock, peer = stage.pair()
    channel = pausing(stage, 'channel', sock)
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(3)
    channel.say('resumes')
    channel.paused = False
    stage.passes(2)
    channel.say('pauses')
    channel.paused = True
    peer.send(b'goodbye')
    peer.close()
    stage.ended(sock)
    stage.passes(3)
    channel.say('resumes')
    channel.paused = False
    stage.gone(channel)


def paused_while_writing(stage):
    class pausing(Reader):
        paused = True

        def readable(self):
            return not self.paused

        def writable(self):
            return self.paused

        def handle_write(self):
            self.say('handle_write')

    sock, peer = stage.pair()
    channel = pausing(stage, 'channel', sock)
    peer.send(b'goodbye')
    peer.close()
    stage.ended(sock)
    stage.passes(3)
    channel.say('resumes')
    channel.paused = False
    stage.gone(channel)


def paused_until_written(stage):
    class holding(Reader):
        passes = 0

        def readable(self):
            return False

        def writable(self):
            return True

        def handle_write(self):
            self.passes += 1
            self.say('handle_write', self.passes)
            if self.passes == 3:
                self.send(b'hello')

    sock, peer = stage.pair()
    channel = holding(stage, 'channel', sock)
    peer.send(b'goodbye')
    peer.close()
    stage.ended(sock)
    stage.passes(5)
    channel.say('in the map', stage.has(channel))


def no_handle_read(stage):
    class deaf(Actor):
        def writable(self):
            return False

    sock, peer = stage.pair()
    channel = deaf(stage, 'channel', sock)
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(4)
    peer.close()
    stage.ended(sock)
    stage.passes(4)
    channel.say('in the map', stage.has(channel))


def no_handle_write(stage):
    class mute(Actor):
        def handle_read(self):
            self.say('handle_read')
            self.recv(8192)

    sock, peer = stage.pair()
    mute(stage, 'channel', sock)
    stage.passes(3)
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(1)


# datagrams


def datagrams_echoed(stage):
    class server(Actor):
        def writable(self):
            return False

        def handle_read(self):
            data, addr = self.socket.recvfrom(8192)
            self.say('handle_read', data)
            self.socket.sendto(data.upper(), addr)

    channel = server(stage, 'server')
    channel.create_socket(stage.family, socket.SOCK_DGRAM)
    channel.bind(stage.address())
    channel.say('connected', channel.connected)
    peer = stage.bound(socket.SOCK_DGRAM)
    for data in b'first', b'second':
        peer.sendto(data, channel.socket.getsockname())
        stage.arrived(channel.socket, select.POLLIN)
        stage.passes(2)
        stage.hear(peer)


def datagrams_connected(stage):
    class client(Reader):
        def handle_connect(self):
            self.say('handle_connect')

    peer = stage.bound(socket.SOCK_DGRAM)
    channel = client(stage, 'client')
    channel.create_socket(stage.family, socket.SOCK_DGRAM)
    channel.bind(stage.address())
    channel.connect(peer.getsockname())
    channel.say('connected', channel.connected)
    channel.send(b'hello')
    stage.hear(peer)
    for data in b'first', b'second':
        peer.sendto(data, channel.socket.getsockname())
    stage.arrived(channel.socket, select.POLLIN)
    stage.passes(3)


def empty_datagram(stage):
    sock, peer = stage.datagrams()
    channel = Reader(stage, 'channel', sock)
    peer.send(b'')
    stage.arrived(sock, select.POLLIN)
    stage.passes(2)
    channel.say('in the map', stage.has(channel))


def refused_datagram(stage):
    sock, peer = stage.datagrams()
    channel = Reader(stage, 'channel', sock)
    peer.close()
    channel.send(b'anybody?')
    stage.arrived(sock, select.POLLERR)
    stage.passes(2)
    channel.say('in the map', stage.has(channel))


def datagram_to_nobody(stage):
    sock, peer = stage.datagrams()
    channel = Reader(stage, 'channel', sock)
    peer.close()
    for _ in range(2):
        stage.attempt('send', lambda: channel.send(b'anybody?'))
    channel.say('in the map', stage.has(channel))


# the library's own handlers


def own_handlers_of_a_client(stage):
    class client(Plain):
        def writable(self):
            return not self.connected

    listener = stage.listening()
    channel = client(stage, 'client').call(listener.getsockname())
    stage.until(lambda: channel.connected)
    peer, _ = listener.accept()
    peer.send(b'hello')
    stage.arrived(channel.socket, select.POLLIN)
    stage.passes(1)
    channel.recv(8192)
    peer.close()
    stage.ended(channel.socket)
    channel.recv(8192)
    channel.say('in the map', stage.has(channel))


def own_handlers_of_a_server(stage):
    listener = Plain(stage, 'server').serve()
    peer = stage.peer(listener.socket.getsockname())
    stage.passes(2)
    stage.hear(peer)


def own_handle_expt(stage):
    class client(Plain):
        def writable(self):
            return False

    sock, peer = stage.pair()
    client(stage, 'channel', sock)
    peer.send(b'!', socket.MSG_OOB)
    stage.arrived(sock, select.POLLPRI)
    stage.passes(1)


def own_handle_error(stage):
    class client(Plain):
        def handle_read(self):
            raise Boom()

    sock, peer = stage.pair()
    channel = client(stage, 'channel', sock)
    channel.writable = lambda: False
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(1)
    channel.say('in the map', stage.has(channel))


def form_that_fails(stage):
    class client(Reader):
        def handle_read(self):
            raise Boom()

        def __repr__(self):
            raise Boom()

    sock, peer = stage.pair()
    channel = client(stage, 'channel', sock)
    peer.send(b'hello')
    stage.gone(channel)


def messages(stage):
    channel = asyncore.dispatcher(None, stage.map)
    with stage.printing():
        channel.log('a hit')
        channel.log_info('by default')
        channel.log_info('an error', 'error')
        channel.log_info('a warning', 'warning')
        channel.ignore_log_types = ['error']
        channel.log_info('another error', 'error')
        channel.log_info('another warning', 'warning')


def forms(stage):
    listener = Plain(stage, 'server').serve()
    listener.addr = listener.socket.getsockname()
    stage.show(listener)
    client = Plain(stage, 'client')
    stage.show(client)
    client.call(listener.addr)
    stage.show(client)
    stage.until(lambda: client.connected)
    stage.show(client)
    client.close()
    stage.show(client)


# the map and the loop


class Duck:
    """Has what the loop looks for, and nothing else."""

    accepting = False

    def __init__(self, stage, sock):
        self.stage = stage
        self.socket = sock
        self.wants_to_write = True

    def say(self, *words):
        self.stage.say('duck', *words)

    def readable(self):
        return True

    def writable(self):
        return self.wants_to_write

    def handle_read_event(self):
        self.say('handle_read_event', self.socket.recv(8192))

    def handle_write_event(self):
        self.say('handle_write_event')
        self.wants_to_write = False

    def handle_expt_event(self):
        self.say('handle_expt_event', self.socket.recv(1, socket.MSG_OOB))

    def handle_close(self):
        self.say('handle_close')
        del self.stage.map[self.socket.fileno()]

    def handle_error(self):
        self.say('handle_error', name(sys.exc_info()[1]))

    def close(self):
        self.socket.close()


def duck_in_the_map(stage):
    sock, peer = stage.pair()
    stage.map[sock.fileno()] = Duck(stage, sock)
    stage.passes(2)
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(1)
    peer.close()


def duck_with_urgent_data(stage):
    sock, peer = stage.pair()
    stage.map[sock.fileno()] = Duck(stage, sock)
    stage.passes(1)
    peer.send(b'!', socket.MSG_OOB)
    stage.arrived(sock, select.POLLPRI)
    stage.passes(1)


def duck_whose_peer_left(stage):
    sock, peer = stage.pair()
    stage.map[sock.fileno()] = Duck(stage, sock)
    stage.passes(1)
    peer.send(b'goodbye')
    peer.close()
    stage.ended(sock)
    stage.passes(3)


def duck_that_throws(stage):
    class troubled(Duck):
        def handle_read_event(self):
            super().handle_read_event()
            raise Boom()

    sock, peer = stage.pair()
    stage.map[sock.fileno()] = troubled(stage, sock)
    stage.passes(1)
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(2)


def events_by_hand(stage):
    class troubled(Duck):
        def handle_expt_event(self):
            raise Boom()

    class disconnected(Duck):
        def handle_read_event(self):
            self.socket.getpeername()

    sock, peer = stage.pair()
    duck = troubled(stage, sock)
    stage.map[sock.fileno()] = duck
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    asyncore.read(duck)
    asyncore.write(duck)
    asyncore._exception(duck)
    peer.send(b'goodbye')
    stage.arrived(sock, select.POLLIN)
    asyncore.readwrite(duck, select.POLLIN | select.POLLOUT | select.POLLPRI)
    asyncore.readwrite(duck, select.POLLHUP)
    duck = disconnected(stage, stage.plain())
    stage.map[duck.socket.fileno()] = duck
    asyncore.read(duck)
    asyncore.readwrite(duck, select.POLLIN)


def single_passes(stage):
    one_pass = asyncore.poll2 if stage.use_poll else asyncore.poll
    one_pass(0, stage.map)
    sock, peer = stage.pair()
    channel = Reader(stage, 'channel', sock)
    one_pass(0, stage.map)
    peer.send(b'hello')
    one_pass(1, stage.map)
    peer.close()
    one_pass(1, stage.map)
    channel.say('in the map', stage.has(channel))


def count_of_passes(stage):
    class counter(Actor):
        passes = 0

        def readable(self):
            return False

        def handle_write(self):
            self.passes += 1
            self.say('handle_write', self.passes)

    sock, _ = stage.pair()
    asyncore.loop(30, stage.use_poll, stage.map, None)
    stage.say('an empty map ends the loop')
    counter(stage, 'channel', sock)
    asyncore.loop(0, stage.use_poll, stage.map, 0)
    stage.say('no pass')
    asyncore.loop(0, stage.use_poll, stage.map, 1)
    stage.say('one pass')
    asyncore.loop(30, stage.use_poll, stage.map, 3)
    stage.say('three passes')


def asked_in_every_pass(stage):
    class asked(Reader):
        def readable(self):
            self.say('readable')
            return True

        def writable(self):
            return False

    sock, peer = stage.pair()
    asked(stage, 'channel', sock)
    stage.passes(2)
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(1)


def map_emptied(stage):
    class last(Reader):
        def handle_read(self):
            super().handle_read()
            self.close()

    sock, peer = stage.pair()
    last(stage, 'channel', sock)
    peer.send(b'hello')
    asyncore.loop(30, stage.use_poll, stage.map)
    stage.say('the loop is over')


def map_changed_by_hand(stage):
    sock, peer = stage.pair()
    channel = Reader(stage, 'channel', sock)
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    del stage.map[sock.fileno()]
    stage.passes(1)
    stage.say('put back')
    stage.map[sock.fileno()] = channel
    stage.passes(2)
    stage.map.clear()
    stage.passes(1)
    channel.close()


def handed_over(stage):
    class first(Reader):
        def handle_read(self):
            super().handle_read()
            Reader(stage, 'second', self.socket)

    sock, peer = stage.pair()
    first(stage, 'first', sock)
    for _ in range(2):
        peer.send(b'hello')
        stage.arrived(sock, select.POLLIN)
        stage.passes(2)
    peer.close()
    stage.until(lambda: not stage.map)


def global_map(stage):
    class channel(asyncore.dispatcher):
        def writable(self):
            return False

        def handle_read(self):
            stage.say('channel handle_read', self.recv(8192))
            self.close()

    sock, peer = stage.pair()
    channel(sock)
    stage.say('in socket_map', sock.fileno() in asyncore.socket_map)
    peer.send(b'hello')
    asyncore.loop(30, stage.use_poll)
    stage.say('channels left', len(asyncore.socket_map))


def handlers_of_an_instance(stage):
    sock, peer = stage.pair()
    channel = Actor(stage, 'channel', sock)
    channel.writable = lambda: False
    channel.handle_read = lambda: channel.say('handle_read', channel.socket.recv(8192))
    peer.send(b'hello')
    stage.arrived(sock, select.POLLIN)
    stage.passes(2)


# closing everything


class Closing(Duck):
    """Something in a map whose close may fail."""

    def __init__(self, stage, number, fail):
        super().__init__(stage, stage.plain())
        self.number = number
        self.fail = fail

    def close(self):
        self.stage.say('close', self.number)
        self.fail()


def closing_all(stage, ignore_all, *failures):
    closing = {}
    for number, fail in enumerate(failures):
        closing[number] = Closing(stage, number, fail)
    stage.attempt('close_all', lambda: asyncore.close_all(closing, ignore_all))
    stage.say('left in the map', len(closing))


def fine():
    pass


def boom():
    raise Boom()


def exit_now():
    raise asyncore.ExitNow()


def closed_all(stage):
    closed = stage.plain()
    closed.close()
    unconnected = stage.plain()
    bad_descriptor = lambda: closed.getsockname()
    not_connected = lambda: unconnected.getpeername()
    for ignore_all in False, True:
        stage.say('ignore_all', ignore_all)
        closing_all(stage, ignore_all, fine, bad_descriptor, fine)
        closing_all(stage, ignore_all, fine, not_connected, fine)
        closing_all(stage, ignore_all, fine, boom, fine)
        closing_all(stage, ignore_all, fine, exit_now, fine)


def names():
    """The scenarios' names, in order."""
    functions = ((name, value) for name, value in globals().items() if inspect.isfunction(value))
    return [name for name, value in functions if list(inspect.signature(value).parameters) == ['stage']]


def play(scenario, poller, family):
    stage = Stage(poller, family)
    try:
        globals()[scenario](stage)
    except Exception as error:
        stage.say('scenario raised', name(error))
    finally:
        stage.close()
    print('#', scenario, poller, family)
    print('\n'.join(stage.lines))


if __name__ == '__main__':
    arguments = sys.argv[1:]
    if arguments == ['--names']:
        print('\n'.join(names()))
    elif arguments and len(arguments) % 3 == 0:
        for run in zip(*[iter(arguments)] * 3):
            play(*run)
    else:
        sys.exit(__doc__)
