"""An HTTP proxy that takes CONNECT and is signed in to by Digest (RFC 7616), computed here from the RFC and hashlib.

digest.py ALGORITHM USER PASSWORD keep|close

Prints its port. Each nonce is good for one request; the first answer to the right user is told that its nonce is stale, so a client
has to renew it. With "close" the connection ends behind each 407.
"""

import hashlib
import os
import re
import socket
import sys
import threading

algorithm, user, password, manner = sys.argv[1:]
realm = 'a "quoted" realm'


def hashed(*parts):
    name = {"MD5": "md5", "SHA-256": "sha256"}[algorithm.removesuffix("-sess")]
    return hashlib.new(name, ":".join(parts).encode()).hexdigest()


def is_right(fields, nonce, authority):
    said = {}
    for name, quoted, token in re.findall(r'([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', fields):
        said[name] = re.sub(r"\\(.)", r"\1", quoted) or token
    secret = hashed(user, realm, password)
    if algorithm.endswith("-sess"):
        secret = hashed(secret, nonce, said["cnonce"])
    due = hashed(secret, nonce, said["nc"], said["cnonce"], "auth", hashed("CONNECT", authority))
    same = {"username": user, "realm": realm, "nonce": nonce, "uri": authority, "opaque": "o", "algorithm": algorithm}
    return said["response"] == due and all(said[name] == value for name, value in same.items())


def carry(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


state = {"nonce": None, "stale": True}


def serve(client):
    while True:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = client.recv(1)
            if not byte:
                return
            head += byte
        authority = head.split()[1].decode()
        answer = re.search(rb"\r\nProxy-Authorization: Digest (.*)\r\n", head)
        right = answer and is_right(answer[1].decode(), state["nonce"], authority)
        if right and not state["stale"]:
            break
        stale = ""
        if right:
            state["stale"], stale = False, ", stale=true"
        state["nonce"] = os.urandom(8).hex()
        quoted = realm.replace('"', '\\"')
        challenge = f'Digest realm="{quoted}", qop="auth-int, auth", nonce="{state["nonce"]}", opaque="o", algorithm={algorithm}{stale}'
        end = "Connection: close\r\n" if manner == "close" else ""
        client.sendall(f"HTTP/1.1 407 No\r\nProxy-Authenticate: {challenge}\r\n{end}Content-Length: 3\r\n\r\nno!".encode())
        if manner == "close":
            client.close()
            return
    host, port = authority.rsplit(":", 1)
    server = socket.create_connection((host.strip("[]"), int(port)))
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    back = threading.Thread(target=carry, args=(server, client), daemon=True)
    back.start()
    carry(client, server)
    back.join()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
