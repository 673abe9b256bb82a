"""
Notifies systemd of the server's state (sd_notify(3)), if systemd asked for that.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

__all__ = ["notify", "watchdogSeconds"]


def notify(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """
    Send a notification; return whether it was sent.

    @param state: assignments, one on each line: C{READY=1}.
    """
    path = environment.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return False
    # An abstract socket's name begins with a zero octet.
    address = "\x00" + path[1:] if path.startswith("@") else path
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
        telling.setblocking(False)
        telling.sendto(state.encode("utf-8"), address)
        return True
    return False


def watchdogSeconds(environment: Mapping[str, str] = os.environ, process: int | None = None) -> float:
    """
    Return the interval for C{WATCHDOG=1} in seconds, half of what systemd asks for; 0 for never.
    """
    ours = str(os.getpid() if process is None else process)
    if environment.get("WATCHDOG_PID", ours) != ours:
        return 0.0
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdecimal() else 0.0
