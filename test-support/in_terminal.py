"""Runs a program at a terminal of its own, with somebody who types.

    in_terminal.py STEPS PROGRAM ARGS...

STEPS is JSON: [[wait until the program prints this, then type this], ...]. Prints as JSON the
program's exit code (negative: the signal), all that the terminal has shown, and whether reading
from it waits: before each typing, and when the program has ended. The terminal is one open file
that we share with the program, as a shell does.
"""
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios

signal.alarm(20)
steps = json.loads(sys.argv[1])
master, slave = pty.openpty()


def own_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


program = subprocess.Popen(
    sys.argv[2:], stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal
)
shown = b""
blocking = []


def look():
    blocking.append(os.get_blocking(slave))


for expected, typed in steps:
    while expected.encode() not in shown:
        shown += os.read(master, 65536)
    look()
    os.write(master, typed.encode())
code = program.wait()
look()
while select.select([master], [], [], 0)[0]:
    shown += os.read(master, 65536)
print(json.dumps({"code": code, "shown": shown.decode(), "blocking": blocking}))
