"""What CPython's smtpd says to each line of each dialogue on standard input, as JSON: the referee of smtp_server.

A dialogue is {"lines": [...], "limit": bytes, "utf8": bool}. For each line the answers that it brought,
and at the end the messages that process_message was given.
"""
import asyncore
import json
import smtpd
import socket
import sys


class Server:
    """As much of smtpd.SMTPServer as a channel asks for."""

    def __init__(self):
        self.messages = []

    def process_message(self, peer, mailfrom, rcpttos, data, **options):
        self.messages.append([mailfrom, rcpttos, data.decode("latin-1")])
        return "250 Okish" if data == b"return status" else None


class Channel(smtpd.SMTPChannel):
    def log_info(self, message, type="info"):
        pass  # it tells what it closes for


def run(dialogue):
    here, there = socket.socketpair()
    there.settimeout(10)
    server, channels = Server(), {}
    channel = Channel(
        server, here, "peer", dialogue["limit"], map=channels, enable_SMTPUTF8=dialogue["utf8"]
    )

    def heard():
        # What is sent in one pass of the loop is there after it.
        there.setblocking(False)
        said = b""
        for _ in range(2):
            if channels:
                asyncore.loop(0.01, map=channels, count=1)
            try:
                said += there.recv(65536)
            except OSError:
                pass
        return said.decode("latin-1")

    heard()
    replies = []
    for line in dialogue["lines"]:
        there.setblocking(True)
        try:
            there.sendall(line.encode("latin-1") + b"\r\n")
        except OSError:
            pass  # it has closed
        replies.append(heard())
    there.close()
    if channels:
        channel.close()
    return {"replies": replies, "messages": server.messages}


print(json.dumps([run(dialogue) for dialogue in json.load(sys.stdin)]))
