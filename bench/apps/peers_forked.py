"""One listening socket and as many processes as WORKERS says, for servers that leave this to their user."""

import os
import socket


def listen_and_fork():
    """Returns the socket, in each of the processes."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", int(os.environ["PORT"])))
    listening.listen(2048)
    listening.setblocking(False)
    for _ in range(int(os.environ["WORKERS"]) - 1):
        if os.fork() == 0:
            break
    return listening
