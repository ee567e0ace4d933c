"""TLS by OpenSSL in front of plain connections: what the test plays as plain TCP meets callbox as TLS, and the other way.

    adapter.py server ADDRESS [OPTIONS]    TLS from whoever connects, plain TCP to ADDRESS
    adapter.py client ADDRESS [OPTIONS]    plain TCP from whoever connects, TLS to ADDRESS
    adapter.py hello                       prints a ClientHello in hex

Says `ready PORT`, and of each connection what happened, a line each: `agreed ...`, `failed ...`, `end`, `truncated`, `reset`,
`broken ...`, at last `over`. Each direction ends by itself: a FIN of the plain side is a close_notify and a FIN; a reset of it is a FIN without
close_notify.
"""

import argparse
import os
import select
import socket
import ssl
import threading

CHUNK = 65536
QUEUE = 256 * 1024


def say(*words):
    # One write a line, whichever thread it comes from.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["server", "client", "hello"])
    parser.add_argument("address", nargs="?", default="")
    parser.add_argument("--cert")
    parser.add_argument("--ca")
    parser.add_argument("--ask", action="store_true", help="ask clients for a certificate, and take those without")
    parser.add_argument("--require", action="store_true", help="take no client without a certificate")
    parser.add_argument("--name", default="localhost")
    parser.add_argument("--alpn")
    parser.add_argument("--max", choices=["1.2", "1.3"])
    parser.add_argument("--min", choices=["1.2", "1.3"])
    parser.add_argument("--piece", type=int, help="cut what is sent into pieces of this many bytes")
    parser.add_argument("--record", type=int, default=16384, help="bytes in a record")
    parser.add_argument("--preface", default="", help="hex, in one segment with the first flight")
    parser.add_argument("--resume", action="store_true", help="take up the last session again")
    parser.add_argument("--keylog", help="append the secrets to this file")
    parser.add_argument("--tls12-letter", action="store_true", help="close at once on a close_notify, as RFC 5246 says")
    return parser.parse_args()


def context(args):
    server = args.role == "server"
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    if args.max:
        made.maximum_version = versions[args.max]
    if args.min:
        made.minimum_version = versions[args.min]
    if args.cert:
        made.load_cert_chain(args.cert)
    if args.alpn:
        made.set_alpn_protocols(args.alpn.split(","))
    if args.keylog:
        made.keylog_filename = args.keylog
    if not server:
        made.check_hostname = bool(args.ca)
        made.verify_mode = ssl.CERT_REQUIRED if args.ca else ssl.CERT_NONE
    elif args.ask or args.require:
        made.verify_mode = ssl.CERT_REQUIRED if args.require else ssl.CERT_OPTIONAL
    if args.ca:
        made.load_verify_locations(args.ca)
    return made


class Ended(Exception):
    pass


class Connection:
    def __init__(self, args, made, tls, plain, session=None):
        """`plain` makes the plain connection, once there is somebody to talk for."""
        self.args, self.tls, self.make_plain, self.plain = args, tls, plain, None
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = args.role == "server"
        name = None if server else args.name
        self.sni = None
        self.engine = made.wrap_bio(self.incoming, self.outgoing, server_side=server, server_hostname=name, session=session)
        self.out = bytearray.fromhex(args.preface)
        self.to_plain = bytearray()
        self.plain_ended = self.tls_ended = self.closing = self.finished = False
        self.quick(tls)
        if args.role == "client":
            self.meet()

    def quick(self, one):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # As if it were not there: two connections would hold twice what a test takes one to hold.
        for which in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            one.setsockopt(socket.SOL_SOCKET, which, CHUNK)
        one.setblocking(False)

    def meet(self):
        self.plain = self.make_plain()
        self.quick(self.plain)

    def collect(self):
        self.out += self.outgoing.read()

    def send(self):
        piece = self.args.piece
        while self.out:
            try:
                sent = self.tls.send(memoryview(self.out)[:piece] if piece else self.out)
            except BlockingIOError:
                return
            del self.out[:sent]

    def receive(self):
        """Receives records; `Ended` where nothing more will come."""
        try:
            records = self.tls.recv(CHUNK)
        except BlockingIOError:
            return
        if not records:
            raise Ended("truncated")
        self.incoming.write(records)

    def handshake(self):
        while True:
            try:
                self.engine.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.collect()
            while self.out:
                self.send()
                if self.out:
                    select.select([], [self.tls], [])
            select.select([self.tls], [], [])
            self.receive()
        self.collect()
        certificate = self.engine.getpeercert() or {}
        subject = dict(pair for part in certificate.get("subject", ()) for pair in part)
        version, suite = self.engine.version(), self.engine.cipher()[0]
        alpn = self.engine.selected_alpn_protocol()
        known = subject.get("commonName", subject.get("organizationName"))
        say("agreed", version, suite, f"alpn={alpn}", f"peer={known}", f"resumed={self.engine.session_reused}")

    def understand(self):
        while True:
            try:
                some = self.engine.read(CHUNK)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLZeroReturnError:
                some = b""
            finally:
                self.collect()
            self.to_plain += some
            if not some:
                say("end")
                self.tls_ended = True
                return

    def plain_bytes(self):
        try:
            some = self.plain.recv(CHUNK)
        except BlockingIOError:
            return
        except ConnectionResetError:
            # What was sent before goes first.
            self.tls.setblocking(True)
            self.tls.sendall(self.out)
            self.tls.shutdown(socket.SHUT_WR)
            # What is left unread would make the close a reset.
            while self.tls.recv(CHUNK):
                pass
            raise Ended("truncating")
        for at in range(0, len(some), self.args.record):
            self.engine.write(some[at:at + self.args.record])
            self.collect()
        if not some:
            self.plain_ended = True
            self.close_notify()

    def close_notify(self):
        if self.closing:
            return
        self.closing = True
        try:
            self.engine.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLError):
            pass
        self.collect()

    def turn(self):
        reads, writes = [], []
        if not self.plain_ended and len(self.out) < QUEUE:
            reads.append(self.plain)
        if not self.tls_ended and len(self.to_plain) < QUEUE:
            reads.append(self.tls)
        if self.out:
            writes.append(self.tls)
        if self.to_plain:
            writes.append(self.plain)
        readable, writable, _ = select.select(reads, writes, [])
        if self.tls in readable:
            self.receive()
            self.understand()
        if self.plain in readable:
            self.plain_bytes()
        if self.plain in writable:
            try:
                del self.to_plain[:self.plain.send(self.to_plain)]
            except BlockingIOError:
                pass
        if self.tls in writable:
            self.send()

    def over(self):
        """Passes ends on, and tells whether both are."""
        if self.tls_ended and not self.to_plain and not self.finished:
            self.finished = True
            self.plain.shutdown(socket.SHUT_WR)
            if self.args.tls12_letter and not self.plain_ended:
                self.plain_ended = True
                self.close_notify()
        if self.closing and not self.out:
            try:
                self.tls.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        return self.finished and self.closing and not self.out

    def run(self):
        try:
            self.handshake()
            if not self.plain:
                self.meet()
        except (ssl.SSLError, ssl.CertificateError, OSError, Ended) as error:
            self.collect()
            say("failed", error)
            try:
                self.send()
            except OSError:
                pass
            return self.leave()
        try:
            self.understand()
            while not self.over():
                self.turn()
            self.plain.close()
            self.tls.close()
        except Ended as ended:
            say(ended)
            self.leave()
        except ConnectionResetError:
            say("reset")
            self.leave()
        except (ssl.SSLError, OSError) as error:
            say("broken", error)
            self.collect()
            try:
                self.send()
            except OSError:
                pass
            self.leave()

    def leave(self):
        """The plain side is told by a reset, after what there is for it."""
        self.tls.close()
        if not self.plain:
            return
        try:
            self.plain.setblocking(True)
            self.plain.sendall(self.to_plain)
        except OSError:
            pass
        self.plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.plain.close()


def main():
    args = options()
    made = context(args)
    if args.role == "hello":
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            made.wrap_bio(incoming, outgoing, server_hostname=args.name).do_handshake()
        except ssl.SSLWantReadError:
            print(outgoing.read().hex())
        return
    if args.role == "server":
        made.sni_callback = lambda engine, name, _: say("sni", name)
    host, port = args.address.rsplit(":", 1)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
    say("ready", listener.getsockname()[1])
    last = None

    def serve(near):
        nonlocal last
        def far():
            return socket.create_connection((host, int(port)))

        tls, plain = (near, far) if args.role == "server" else (far(), lambda: near)
        connection = Connection(args, made, tls, plain, last if args.resume else None)
        connection.run()
        last = connection.engine.session
        say("over")

    while True:
        near, _ = listener.accept()
        threading.Thread(target=serve, args=(near,), daemon=True).start()


main()
