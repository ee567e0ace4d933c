"""A small HTTP/1.1 server over the files of a folder; prints its port, serves until it is ended."""

import fcntl
import http.server
import os
import socket
import struct
import sys
import termios

FOLDER = sys.argv[1]
STEP = 50_000


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self):
        kind, _, rest = self.path.lstrip("/").partition("/")
        getattr(self, "get_" + kind)(rest)

    def get_file(self, name):
        with open(os.path.join(FOLDER, name), "rb") as file:
            self.whole(file.read())

    def get_chunked(self, name):
        with open(os.path.join(FOLDER, name), "rb") as file:
            self.pieces(file.read())

    def get_small(self, number):
        self.whole(b"number %s\n" % number.encode())

    def get_until_closed(self, name):
        """The end of the body is the end of the stream."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        with open(os.path.join(FOLDER, name), "rb") as file:
            self.wfile.write(file.read())

    def get_short(self, _):
        """Half of what was promised, then an end of stream."""
        self.promise()
        self.close_connection = True

    def get_reset(self, _):
        """Half of what was promised, then a reset."""
        self.promise()
        outstanding = 1
        while outstanding:  # a reset throws away what is not delivered yet
            buffer = fcntl.ioctl(self.connection, termios.TIOCOUTQ, b"\0\0\0\0")
            outstanding = struct.unpack("i", buffer)[0]
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    def promise(self):
        self.send_response(200)
        self.send_header("Content-Length", "200000")
        self.end_headers()
        self.wfile.write(b"x" * 100_000)
        self.wfile.flush()

    def do_PUT(self):
        """Gives back what was sent, in the same coding."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = bytearray()
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            self.pieces(bytes(body))
        else:
            self.whole(self.rfile.read(int(self.headers["Content-Length"])))

    def whole(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def pieces(self, body):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(body), STEP):
            piece = body[at : at + STEP]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # the reset is one on purpose


server = Server(("127.0.0.1", 0), Handler)
print("listening on 127.0.0.1:%d" % server.server_address[1], file=sys.stderr, flush=True)
server.serve_forever()
