"""CPython's asyncore: asyncore_server.py stream|datagrams BUFFER_SIZE, on poll(2)."""
import asyncore
import socket
import sys

protocol, buffer_size = sys.argv[1], int(sys.argv[2])


class echo_handler(asyncore.dispatcher_with_send):
    def handle_read(self):
        data = self.recv(buffer_size)
        if data:
            self.send(data)


class echo_server(asyncore.dispatcher):
    def __init__(self):
        super().__init__()
        self.create_socket()
        self.bind(("127.0.0.1", 0))
        self.listen(4096)

    def handle_accepted(self, sock, addr):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        echo_handler(sock)


class datagram_server(asyncore.dispatcher):
    def __init__(self):
        super().__init__()
        self.create_socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.bind(("127.0.0.1", 0))

    def writable(self):
        return False

    def handle_read(self):
        data, address = self.socket.recvfrom(buffer_size)
        self.socket.sendto(data, address)


channel = echo_server() if protocol == "stream" else datagram_server()
print("listening on", channel.socket.getsockname()[1], flush=True)
asyncore.loop(use_poll=True)
