"""CPython's own asynchat, asked what it makes of some input.

Reads cases as lines of JSON and answers each with a line: the events, the terminator that is left and
the number of bytes kept. Bytes are base64. A step is {"set": terminator}, {"discard": true},
{"fail": true} or {}; one of "found" is taken at each found_terminator(), one of "between" after each
chunk.
"""
import asynchat
import base64
import json
import sys


def terminator(value):
    return base64.b64decode(value["bytes"]) if isinstance(value, dict) else value


class traced_chat(asynchat.async_chat):
    def __init__(self, case):
        super().__init__()
        self.events = []
        self.steps = iter(case["found"])
        self.set_terminator(terminator(case["terminator"]))

    def recv(self, size):
        return self.chunk

    def collect_incoming_data(self, data):
        self.events.append("data:" + data.decode("latin-1"))

    def found_terminator(self):
        left = self.get_terminator()
        self.events.append("found" if isinstance(left, bytes) else f"found {left}")
        self.take(next(self.steps, {}))

    def take(self, step):
        if "discard" in step:
            self.discard_buffers()
        if "set" in step:
            self.set_terminator(terminator(step["set"]))
        if "fail" in step:
            raise RuntimeError

    def run(self, case):
        for chunk, step in zip(case["chunks"], case["between"]):
            self.chunk = base64.b64decode(chunk)
            try:
                self.handle_read()
                self.take(step)
            except RuntimeError:
                self.events.append("Error: as told")
        left = self.get_terminator()
        return {
            "events": self.events,
            "left": None if isinstance(left, bytes) else left,
            "kept": len(self.ac_in_buffer),
        }


for line in sys.stdin:
    case = json.loads(line)
    print(json.dumps(traced_chat(case).run(case)), flush=True)
