"""
Sockets under the numbers that systemd would give them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence


def passedOn(opened: Sequence[socket.socket]) -> int:
    """
    Duplicate sockets to consecutive descriptors, and return the first. They are above all that this process has open: C{dup2} closes
    without a word what has the number already, be it a pipe of another test.
    """
    first = max(int(name) for name in os.listdir("/dev/fd")) + 10
    for number, each in enumerate(opened, first):
        os.dup2(each.fileno(), number)
    return first
