"""A TCP server in five steps: create, bind, listen, accept, receive and send."""
import socket
import sys

HOST, PORT = sys.argv[1], int(sys.argv[2])

# Step 1: create the server's socket.
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

# Step 2: bind it to an address.
server.bind((HOST, PORT))

# Step 3: make it passive.
server.listen(128)
print("ready", server.getsockname()[1], flush=True)

# Step 4: accept a client; it gets a socket of its own.
conversation, client = server.accept()

# Step 5: receive what it says, send an answer.
request = conversation.recv(1024)
print("request:", request.decode("utf-8"))
conversation.sendall("thank you !".encode("utf-8"))

conversation.close()
server.close()
