"""Records that no library sends, by hand: floods of them, in the clear or, behind a handshake of OpenSSL's, encrypted.

    floods.py client ADDRESS KIND    connects to ADDRESS
    floods.py server CERT KIND       listens, says `ready PORT`, takes one client

Kinds: alerts-before, empty-before (in the clear, instead of a handshake); alerts, empty, key-updates (in TLS 1.3, after it).
Says `closed after N` when the other side ends it, `all N taken` when it does not.
"""

import hashlib
import hmac
import os
import select
import socket
import ssl
import sys
import tempfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RECORDS = 200_000
ALERT, HANDSHAKE, DATA = 21, 22, 23


def expand(secret, label, length, digest):
    """HKDF-Expand-Label of RFC 8446, without a context; one block is enough."""
    name = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return hmac.new(secret, info + b"\1", digest).digest()[:length]


class Sealer:
    def __init__(self, secret, suite):
        self.digest = hashlib.sha384 if "SHA384" in suite else hashlib.sha256
        self.length = 32 if "256_GCM" in suite else 16
        self.take(secret)

    def take(self, secret):
        self.secret = secret
        self.key = AESGCM(expand(secret, b"key", self.length, self.digest))
        self.iv = int.from_bytes(expand(secret, b"iv", 12, self.digest), "big")
        self.number = 0

    def key_update(self):
        """A KeyUpdate that asks for one in return, and the keys that come with it."""
        record = self.record(HANDSHAKE, b"\x18\0\0\1\1")
        self.take(expand(self.secret, b"traffic upd", self.digest().digest_size, self.digest))
        return record

    def record(self, kind, content):
        inner = content + bytes([kind])
        head = bytes([DATA, 3, 3]) + (len(inner) + 16).to_bytes(2, "big")
        nonce = (self.iv ^ self.number).to_bytes(12, "big")
        self.number += 1
        return head + self.key.encrypt(nonce, inner, head)


def clear(kind, content):
    return bytes([kind, 3, 3]) + len(content).to_bytes(2, "big") + content


def shake(connection, made, server):
    """Lets OpenSSL do the handshake; returns what encrypts our records from now on."""
    secrets = tempfile.NamedTemporaryFile()
    made.keylog_filename = secrets.name
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = made.wrap_bio(incoming, outgoing, server_side=server, server_hostname=None if server else "localhost")
    while True:
        try:
            engine.do_handshake()
            break
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))
    connection.sendall(outgoing.read())
    label = "SERVER_TRAFFIC_SECRET_0" if server else "CLIENT_TRAFFIC_SECRET_0"
    lines = open(secrets.name).read().splitlines()
    secret = next(line.split()[2] for line in lines if line.startswith(label))
    return Sealer(bytes.fromhex(secret), engine.cipher()[0])


def records(kind, connection, made, server):
    if kind == "alerts-before":
        return lambda: clear(ALERT, b"\1\x5a")
    if kind == "empty-before":
        return lambda: clear(HANDSHAKE, b"")
    sealer = shake(connection, made, server)
    if kind == "key-updates":
        return sealer.key_update
    content = {"alerts": (ALERT, b"\1\x5a"), "empty": (DATA, b"")}[kind]
    return lambda: sealer.record(*content)


def main():
    role, where, kind = sys.argv[1:]
    server = role == "server"
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    if server:
        made.load_cert_chain(where)
        made.num_tickets = 0
        listener = socket.create_server(("127.0.0.1", 0))
        print("ready", listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
    else:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        host, port = where.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)))
    make = records(kind, connection, made, server)
    sent = 0
    print("begins", flush=True)
    try:
        while sent < RECORDS:
            connection.sendall(b"".join(make() for _ in range(200)))
            sent += 200
            # Whatever answers is left unread but for its end.
            while select.select([connection], [], [], 0)[0]:
                if not connection.recv(65536):
                    raise ConnectionError
    except OSError:
        print("closed after", sent, flush=True)
        return
    print("all", sent, "taken", flush=True)


os.environ.pop("SSLKEYLOGFILE", None)
main()
