"""Lines sent back, on CPython's asynchat."""
import asynchat
import asyncore
import socket


class client(asynchat.async_chat):
    def __init__(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock)
        self.set_terminator(b"\n")

    collect_incoming_data = asynchat.async_chat._collect_incoming_data

    def found_terminator(self):
        self.push(self._get_data() + b"\n")


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
