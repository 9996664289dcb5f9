"""What Python's ftplib gets from ftp_server: HOST, PORT, CA file or "", then expressions, as JSON.

`f` is the FTP object, logged in; with a CA file commands and data go over TLS. get(command, rest) and
put(command, data, rest) are transfers; digest(data) is how big files are compared.
"""
import ftplib
import hashlib
import io
import json
import socket
import ssl
import struct
import sys
import threading

host, port, ca, *calls = sys.argv[1:]
context = ssl.create_default_context(cafile=ca) if ca else None


def connected():
    f = ftplib.FTP_TLS(context=context) if ca else ftplib.FTP()
    f.connect(host, int(port), timeout=60)
    f.login("user", "secret")
    if ca:
        f.prot_p()
    return f


def get(command, rest=None, f=None):
    chunks = []
    (f or globals()["f"]).retrbinary(command, chunks.append, 65536, rest)
    return b"".join(chunks)


def put(command, data, rest=None):
    return f.storbinary(command, io.BytesIO(data), 65536, rest=rest)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def made(size):
    return (b"0123456789abcde\n" * (size // 16 + 1))[:size]


def at_once(count, command):
    """What so many clients get at the same time."""
    results = [None] * count

    def one(i):
        with connected() as f:
            results[i] = digest(get(command, f=f))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(set(results)), results[0]


def cut(data):
    """The connection of a STOR without close_notify, with an orderly end of TCP."""
    conn = f.transfercmd("STOR cut")
    conn.sendall(data)
    socket.socket(fileno=conn.detach()).close()
    return f.voidresp()


def reset(data):
    conn = f.transfercmd("STOR reset")
    conn.sendall(data)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.socket(fileno=conn.detach()).close()
    return f.voidresp()


def abort(command):
    conn = f.transfercmd(command)
    conn.recv(1000)
    first = f.abort()
    conn.close()
    return [first[:3], f.voidresp()[:3]]


def late(command):
    """TLS begins before the command: ftplib itself begins it when 150 has come."""
    conn = context.wrap_socket(socket.create_connection(f.makepasv()), server_hostname=host)
    f.voidcmd("TYPE I")
    f.sendcmd(command)
    data = b""
    while piece := conn.recv(65536):
        data += piece
    conn.unwrap()
    conn.close()
    f.voidresp()
    return data


def result(call):
    try:
        return eval(call)
    except ftplib.Error as error:
        return [type(error).__name__, str(error)[:3]]


f = connected()
print(json.dumps([result(call) for call in calls], default=lambda data: data.decode("latin-1")))
