"""
Look up service names and ports in the services file of this host (services(5)).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final

from twisted_ext.limits import LOOK_SECONDS
from twisted_ext.resolver.local.localanswers import Complaints, FollowedFile

__all__ = ["Ports", "systemServicesPath"]

#: Octets read from the services file; usual ones have 13,000, those with all registered services a million.
_SERVICES_OCTETS: Final = 4 << 20

_PAUSE: Final = LOOK_SECONDS.default


def systemServicesPath() -> str:
    if sys.platform == "win32":
        return os.path.join(os.environ.get("SystemRoot", r"C:\Windows"), "System32", "drivers", "etc", "services")
    return "/etc/services"


class Ports:
    """
    The contents of a services file. On use, at most once a second, the file is checked, and read again if it has changed.

    @ivar complaints: the lines that could not be parsed, and why.
    """

    def __init__(self, seconds: Callable[[], float], path: str | None = None) -> None:
        self._seconds = seconds
        self._file = FollowedFile(path or systemServicesPath())
        self._looked = float("-inf")
        self._numbers: dict[tuple[bytes, bytes], int] = {}
        self._names: dict[tuple[int, bytes], bytes] = {}
        self.complaints = Complaints()

    def _look(self) -> None:
        now = self._seconds()
        if 0.0 <= now - self._looked < _PAUSE:
            return
        self._looked = now
        if not self._file.changed():
            return
        self.complaints = Complaints()
        self._numbers = {}
        self._names = {}
        data = self._file.read(_SERVICES_OCTETS, self.complaints)
        for number, line in enumerate((data or b"").split(b"\n"), 1):
            fields = line.partition(b"#")[0].split()
            if fields:
                self._add(number, fields)

    def _add(self, line: int, fields: list[bytes]) -> None:
        port, _, protocol = fields[1].partition(b"/") if len(fields) > 1 else (b"", b"", b"")
        if not (port.isdigit() and len(port) < 6 and int(port) <= 0xFFFF and protocol):
            self.complaints.add(line, f"{fields[0][:60]!r} has no port and protocol behind it, such as 80/tcp")
            return
        number = int(port)
        for name in (fields[0], *fields[2:]):
            self._numbers.setdefault((name, protocol), number)
        self._names.setdefault((number, protocol), fields[0])

    def portOf(self, name: bytes, protocol: bytes) -> int | None:
        """
        @param name: the name or an alias of a service; case-sensitive.
        @param protocol: such as C{b"tcp"}.
        """
        self._look()
        return self._numbers.get((name, protocol))

    def nameOf(self, port: int, protocol: bytes) -> bytes | None:
        """
        Return the first name of a port in the file.
        """
        self._look()
        return self._names.get((port, protocol))
