"""CPython's tests of smtpd, with our classes in place of its own: python smtpd_bridge.py NODE

The module `smtpd` that they import is this one. It hands what they do to smtpd_bridge.mjs, in a child process.
Prints, as JSON, each test's name and its outcome: 'ok', 'skipped' or a traceback.
"""
import asyncore
import collections
import itertools
import json
import os
import socket
import subprocess
import sys
import types
import unittest

node = subprocess.Popen(
    [sys.argv[1], os.path.join(os.path.dirname(os.path.abspath(__file__)), "smtpd_bridge.mjs")],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
)


def send(message):
    node.stdin.write(json.dumps(message, default=lambda data: {"bytes": data.hex()}).encode() + b"\n")


def received():
    node.stdin.flush()
    line = node.stdout.readline()
    if not line:
        sys.exit("the other end is gone")
    return json.loads(line, object_hook=lambda o: bytes.fromhex(o["bytes"]) if "bytes" in o else o)


# Who gets the results of what was sent. It is not waited for one by one: on a busy machine that takes long.
unanswered = collections.deque()


def ask_later(then, *call):
    send(call)
    unanswered.append(then)


def wait():
    while unanswered:
        unanswered.popleft()(result())


def ask(*call):
    """Has it done, and gives the result."""
    results = []
    ask_later(results.append, *call)
    wait()
    return results[0]


def result():
    """The next one. Serves what it calls back."""
    raised = None
    while True:
        message = received()
        if "callback" in message:
            thing, method, *args = message["callback"]
            try:
                send({"result": things[thing].called_back(method, args)})
            except Exception as error:
                raised = error
                send({"raised": True})
        elif "raised" in message:
            raise raised
        elif "error" in message:
            name, text = message["error"]
            if "must have a process_message" in text:
                raise NotImplementedError(text)
            raise {"RangeError": ValueError}.get(name, RuntimeError)(text)
        else:
            return message["result"]


ids = itertools.count(1)
things = {}


class Thing:
    """One of our objects. It is in the map of asyncore, so that close_all closes it."""

    def __init__(self):
        self.__dict__["id"] = next(ids)
        things[self.id] = self
        asyncore.socket_map[-self.id] = self

    def close(self):
        if things.pop(self.id, None) is not None:
            send(["close", self.id])

    def __getattr__(self, name):
        if name.startswith("__") or name.startswith("_SMTPChannel"):
            raise AttributeError(name)
        return ask("get", self.id, name)


class Conn:
    """In place of test.mock_socket's: what the test sends, and what was answered."""

    def __init__(self):
        self.lines = []
        self.answers = b""

    def getpeername(self):
        return ("peer-address", "peer-port")

    def queue_recv(self, line):
        self.lines.append(line + b"\r\n")

    def answered(self, data):
        self.answers += data

    @property
    def last(self):
        wait()
        # One send(2) for each line, as smtpd's push makes it.
        return self.answers.splitlines(keepends=True)[-1]


class SMTPChannel(Thing):
    def __init__(self, server, conn, addr, data_size_limit=None, map=None, **options):
        super().__init__()
        if data_size_limit is not None:
            options["data_size_limit"] = data_size_limit
        self.__dict__.update(smtp_server=server, conn=conn, socket=conn, addr=addr)
        names = [conn.getpeername(), smtpd.socket.getfqdn()]
        ask_later(conn.answered, "channel", self.id, server.id, *names, options)
        if options.get("enable_SMTPUTF8") and options.get("decode_data"):
            wait()  # for a ValueError

    def handle_read(self):
        line = self.socket.lines.pop(0)
        ask_later(self.socket.answered, "read", self.id, line)
        if b"." in line:
            wait()  # it may end a mail

    def __setattr__(self, name, value):
        if name.startswith("_SMTPChannel"):
            raise AttributeError(name)
        ask_later(lambda _: None, "set", self.id, name, value)


class SMTPServer(Thing):
    def __init__(self, localaddr, remoteaddr, **options):
        super().__init__()
        ours = [name for name in ("process_message", "listen") if hasattr(type(self), name)]
        self._decode_data = options.get("decode_data", False)
        ask_later(lambda _: None, "server", self.id, self.KIND, ours, localaddr, remoteaddr, options)
        if "listen" in ours or options.get("enable_SMTPUTF8") and options.get("decode_data"):
            wait()  # for what it raises

    KIND = "SMTPServer"

    def called_back(self, method, args):
        if method == "print":
            return print(*args)
        if method == "listen":
            return self.listen(*args or [5])
        peer, mailfrom, rcpttos, data, kwargs = args
        return self.process_message(tuple(peer), mailfrom, rcpttos, data, **kwargs)

    @property
    def socket(self):
        return types.SimpleNamespace(family=ask("family", self.id))

    def accept(self):
        return Conn(), "c"

    def handle_accept(self):
        assert ask("accept", self.id) == 1


class DebuggingServer(SMTPServer):
    KIND = "DebuggingServer"


class PureProxy(SMTPServer):
    KIND = "PureProxy"


smtpd = types.ModuleType("smtpd")
smtpd.__all__ = ["SMTPChannel", "SMTPServer", "DebuggingServer", "PureProxy"]
for name in smtpd.__all__:
    setattr(smtpd, name, globals()[name])
    globals()[name].__module__ = "smtpd"
smtpd.socket = socket
smtpd.DEBUGSTREAM = None
sys.modules["smtpd"] = smtpd


class Outcomes(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.all = {}

    def note(self, test, outcome):
        self.all[test.id().replace("test.test_smtpd.", "")] = outcome

    def addSuccess(self, test):
        self.note(test, "ok")

    def addSkip(self, test, reason):
        self.note(test, "skipped")

    def addError(self, test, error):
        self.note(test, self._exc_info_to_string(error, test))

    addFailure = addError


outcomes = Outcomes()
unittest.defaultTestLoader.loadTestsFromName("test.test_smtpd").run(outcomes)
asyncore.close_all()
node.stdin.close()
node.wait(10)
print(json.dumps(outcomes.all))
