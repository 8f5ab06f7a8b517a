"""Stands for the command `llms`: `python warm_llms_client.py SOCKET ARGUMENTS…`; see `warm_llms.py`."""

import json
import os
import signal
import socket
import sys

#: The exit status if the command does not report one (EX_SOFTWARE).
_NONE = 70

connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
# pathlib takes longer to import than all the rest.
folder = os.getcwd()  # noqa: PTH109
asked = json.dumps({"argv": sys.argv[2:], "cwd": folder, "env": dict(os.environ)}).encode()
socket.send_fds(connection, [len(asked).to_bytes(4, "big")], [0, 1, 2])
connection.sendall(asked)
command = int.from_bytes(connection.recv(4), "big")
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda received, _: os.kill(command, received))
answer = connection.recv(4)
status = int.from_bytes(answer, "big", signed=True) if answer else _NONE
if status < 0:
    # A signal has ended the command.
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
