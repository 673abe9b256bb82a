"""
The last serials with which zones were signed here, beside their keys. They are there also after a zone was not served for a while.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from twisted_ext.dnssec.privatekeys.keyfiles import namePrefix
from twisted_ext.files import STATE_FILE, openNow, replacingFile

__all__ = ["SerialNotes"]

_UINT32: Final = 0xFFFFFFFF

_log: Final = Logger(__name__)


class SerialNotes:
    """
    The folder with the keys, in one for each zone, and with a file for each serial.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def keysOf(self, apex: bytes) -> str:
        """
        Return the folder with the keys of a zone.
        """
        return f"{self._folder}/{namePrefix(apex).removeprefix('K')}"

    def _pathOf(self, apex: bytes) -> str:
        return f"{self.keysOf(apex)}serial"

    def note(self, zone: str, apex: bytes, serial: int) -> None:
        """
        Note the serial with which a zone was signed.

        @param zone: its name, as text.
        """
        try:
            with replacingFile(self._pathOf(apex), STATE_FILE) as file:
                file.write(b"%d\n" % serial)
        except OSError as error:
            _log.warn("{zone}: its serial cannot be noted: {said}", zone=zone, said=error.strerror or error)

    def of(self, apex: bytes) -> int | None:
        """
        Return the last serial with which a zone was signed here; L{None} if it never was.
        """
        try:
            with open(self._pathOf(apex), "rb", opener=openNow) as file:
                return int(file.read(20)) & _UINT32
        except (OSError, ValueError):
            return None
