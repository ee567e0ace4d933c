"""A client of lines in an encoding: sends a line a byte a send, prints the answer as Python sees it."""
import socket
import sys

PORT, ENCODING, REQUEST = int(sys.argv[1]), sys.argv[2], sys.argv[3]

with socket.create_connection(("127.0.0.1", PORT)) as conversation:
    conversation.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = (REQUEST + "\n").encode(ENCODING)
    for at in range(len(request)):
        conversation.sendall(request[at:at + 1])
    conversation.shutdown(socket.SHUT_WR)
    answer = b"".join(iter(lambda: conversation.recv(1024), b""))
print("answer:", ascii(answer.decode(ENCODING)))
