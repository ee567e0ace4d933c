"""A wire between two network namespaces that delays, reorders, doubles and damages: wire.py FAR SEED

Runs inside one namespace; the other is called FAR. Makes the device w0 here and w1 there, says `ready`, and carries IPv4
packets between them until SIGTERM, when it prints what it did as one JSON object. A damaged packet has one bit flipped and
its checksums left as they were: TCP has to notice.
"""

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
DAMAGED, DOUBLED, LATE = 0.01, 0.02, 0.2
BASE, JITTER = 0.001, 0.006


def device(name):
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def enter(namespace):
    descriptor = os.open("/run/netns/" + namespace, os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns " + namespace)


def flipped(packet, draw):
    damaged = bytearray(packet)
    bit = draw.randrange(len(packet) * 8)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def main():
    far, seed = sys.argv[1], int(sys.argv[2])
    draw = random.Random(seed)
    near = device("w0")
    enter(far)
    ends = {near: device("w1")}
    ends[ends[near]] = near
    did = {"carried": 0, "damaged": 0, "doubled": 0, "reordered": 0}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)
    poll = select.poll()
    for end in ends:
        poll.register(end, select.POLLIN)
    waiting, number, last = [], 0, {end: -1 for end in ends}
    try:
        while True:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, which, to, packet = heapq.heappop(waiting)
                did["reordered"] += which < last[to]
                last[to] = max(last[to], which)
                try:
                    os.write(to, packet)
                except OSError:
                    # A header so damaged that the device does not take it.
                    pass
            wait = max(0, int((waiting[0][0] - now) * 1000)) if waiting else None
            for end, _ in poll.poll(wait):
                try:
                    packet = os.read(end, 65536)
                except OSError:
                    continue
                did["carried"] += 1
                copies = 1
                if draw.random() < DOUBLED:
                    did["doubled"] += 1
                    copies = 2
                for _ in range(copies):
                    due = time.monotonic() + BASE + (draw.random() * JITTER if draw.random() < LATE else 0)
                    sent = packet
                    if draw.random() < DAMAGED:
                        did["damaged"] += 1
                        sent = flipped(packet, draw)
                    heapq.heappush(waiting, (due, number, ends[end], sent))
                    number += 1
    finally:
        print(json.dumps(did), flush=True)


main()
