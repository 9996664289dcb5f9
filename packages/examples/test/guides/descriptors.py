"""Makes an inotify, a timerfd and an eventfd, and passes them over the Unix socket at descriptor 3."""
import ctypes, os, socket, sys

libc = ctypes.CDLL(None, use_errno=True)

inotify = libc.inotify_init1(os.O_CLOEXEC)
libc.inotify_add_watch(inotify, os.fsencode(sys.argv[1]), 0x100)  # IN_CREATE

timer = libc.timerfd_create(1, os.O_CLOEXEC)  # CLOCK_MONOTONIC
first_and_every = (ctypes.c_long * 4)(0, 50_000_000, 0, 50_000_000)  # seconds, nanoseconds
libc.timerfd_settime(timer, 0, first_and_every, None)

event = libc.eventfd(1, os.O_CLOEXEC)

with socket.socket(fileno=3) as parent:
    socket.send_fds(parent, [b'inotify timerfd eventfd'], [inotify, timer, event])
