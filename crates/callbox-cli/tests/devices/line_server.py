"""A device of lines in an encoding: answers a line, a byte at a time, so that the client reads characters in pieces."""
import os
import socket
import sys

ENCODING, ANSWER = sys.argv[1], sys.argv[2]
LINE_FEED = "\n".encode(ENCODING)


def unread(port):
    """Returns how many bytes lie unread with the client at this port, by the kernel's own table."""
    for line in open("/proc/net/tcp", encoding="ascii"):
        words = line.split()
        if words[1].endswith(f":{port:04X}"):
            return int(words[4].split(":")[1], 16)
    return 0


server = socket.create_server(("127.0.0.1", 0))
print("ready", server.getsockname()[1], flush=True)
conversation, client = server.accept()
conversation.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

request = b""
while not request.endswith(LINE_FEED):
    chunk = conversation.recv(1024)
    if not chunk:
        break
    request += chunk
print("request:", ascii(request.decode(ENCODING)))

# "\xff" in the argument stands for a byte that is no text in any encoding used here.
answer = b"\xff".join(text.encode(ENCODING) for text in ANSWER.split("\\xff")) + LINE_FEED
for at in range(len(answer)):
    conversation.sendall(answer[at:at + 1])
    while unread(client[1]):
        os.sched_yield()
conversation.close()
server.close()
