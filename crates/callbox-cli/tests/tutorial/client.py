"""A TCP client in four steps: create, connect, send and receive, close."""
import socket
import sys

HOST, PORT = sys.argv[1], int(sys.argv[2])

# Step 1: create the client's socket.
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

# Step 2: connect it to the server.
client.connect((HOST, PORT))

# Step 3: send a greeting, receive the answer.
client.sendall("hello".encode("utf-8"))
answer = client.recv(1024)
print("answer:", answer.decode("utf-8"))

# Step 4: close it.
client.close()
