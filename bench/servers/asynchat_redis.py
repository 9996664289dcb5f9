"""SET and GET on CPython's asynchat."""
import asynchat
import asyncore
import socket

values = {}


class client(asynchat.async_chat):
    def __init__(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock)
        self.args = []
        self.left = 0
        self.set_terminator(b"\r\n")

    collect_incoming_data = asynchat.async_chat._collect_incoming_data

    def found_terminator(self):
        data = self._get_data()
        if isinstance(self.terminator, int):
            self.args.append(data[:-2])
            self.set_terminator(b"\r\n")
            self.left -= 1
            if self.left == 0:
                args, self.args = self.args, []
                self.execute(*args)
        elif self.left > 0:
            self.set_terminator(int(data[1:]) + 2)
        else:
            self.left = int(data[1:])

    def execute(self, name, key=None, value=None):
        if name == b"SET":
            values[key] = value
            self.push(b"+OK\r\n")
        elif name == b"GET":
            value = values.get(key)
            self.push(b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value))
        elif name == b"CONFIG":  # redis-benchmark asks for it
            self.push(b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n")
        else:
            self.push(b"-ERR unknown command '%b'\r\n" % name)


class server(asyncore.dispatcher):
    def __init__(self):
        super().__init__()
        self.create_socket()
        self.bind(("127.0.0.1", 0))
        self.listen(4096)

    def handle_accepted(self, sock, addr):
        client(sock)


print("listening on", server().socket.getsockname()[1], flush=True)
asyncore.loop(use_poll=True)
