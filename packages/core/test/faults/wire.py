"""
A network namespace with a bad wire in it: run by `unshare --user --map-root-user --net`.

What is sent to 10.0.0.2 comes out of a tun device to this program, which swaps the two addresses
and puts it back: it arrives at 10.0.0.1 as if from 10.0.0.2, so both ends of a connection are here.
(Checksums are sums: they do not mind the swap.) Between the two a packet may be lost, late, out of
turn or there twice.

Sockets belong for ever to the namespace they were made in: whoever holds the other end of
descriptor 3 asks for them there. With --check it only tries to make the device.
"""
import fcntl
import heapq
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000

tun = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack('16sH22x', b'wire', IFF_TUN | IFF_NO_PI))


def ip(command):
    subprocess.run(['ip', *command.split()], check=True)


ip('address add 10.0.0.1/24 dev wire')
ip('link set wire up')
if '--check' in sys.argv:
    sys.exit()

control = socket.socket(fileno=3)
control.setblocking(True)
chance = random.Random(1)
quality = {}
under_way = []  # when it arrives, how many went before, the packet
sent = 0


def obey(order):
    """What is asked for, and the descriptors to go with the answer."""
    if 'quality' in order:
        quality.clear()
        quality.update(order['quality'])
    if 'ip' in order:
        ip(order['ip'])
    if 'socket' not in order:
        return []
    return [socket.socket(socket.AF_INET, socket.SOCK_STREAM)]


def travel(packet):
    global sent
    if packet[0] >> 4 != 4 or chance.random() < quality.get('loss', 0):
        return
    for _ in range(2 if chance.random() < quality.get('twice', 0) else 1):
        sent += 1
        late = quality.get('delay', 0) + chance.random() * quality.get('jitter', 0)
        swapped = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
        heapq.heappush(under_way, (time.monotonic() + late, sent, swapped))


while True:
    wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
    ready = select.select([tun, control], [], [], wait)[0]
    if control in ready:
        order = control.recv(1024)
        if not order:
            break
        made = obey(json.loads(order))
        socket.send_fds(control, [b'done'], [each.fileno() for each in made])
    if tun in ready:
        travel(os.read(tun, 65536))
    while under_way and under_way[0][0] <= time.monotonic():
        try:
            os.write(tun, heapq.heappop(under_way)[2])
        except OSError:
            pass  # the link is down
