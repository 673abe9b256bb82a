"""
Under which label a catalog listed each zone that is kept on disk: after a restart too, another label means that the zone begins anew
(RFC 9432, section 5.6).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from twisted.logger import Logger

__all__ = ["Remembered"]

#: Lines beyond those needed with which the file is written anew when it is read.
_SPARE: Final = 1000

_log: Final = Logger()


class Remembered:
    """
    A file with a line for each thing that happened, the last one of a zone being the one that counts. A line cut off by a crash counts for
    nothing.
    """

    def __init__(self, path: str) -> None:
        """
        @param path: C{""} to remember nothing beyond the process.
        """
        self._path = path
        self._kept: dict[bytes, tuple[bytes, bytes]] = {}
        if path:
            self._read()

    def _read(self) -> None:
        try:
            with open(self._path, encoding="ascii", errors="replace") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            self._complain(error)
            return
        for line in lines:
            try:
                apex, *what = [bytes.fromhex(word) for word in line.split(" ")]
            except ValueError:
                continue
            if len(what) == 2:
                self._kept[apex] = (what[0], what[1])
            elif not what:
                self._kept.pop(apex, None)
        if len(lines) > len(self._kept) + _SPARE:
            beside = f"{self._path}.new"
            try:
                with open(beside, "w", encoding="ascii") as file:
                    file.writelines([f"{apex.hex()} {what[0].hex()} {what[1].hex()}\n" for apex, what in self._kept.items()])
                os.replace(beside, self._path)
            except OSError as error:
                self._complain(error)

    def write(self, lines: list[str]) -> None:
        """
        Write down what L{note} gave.
        """
        if self._path and lines:
            try:
                with open(self._path, "a", encoding="ascii") as file:
                    # The end of a line that was cut off is not the beginning of this one.
                    file.write("\n" + "".join(lines))
            except OSError as error:
                self._complain(error)

    def _complain(self, error: OSError) -> None:
        _log.error("{path}: {error}; zones of catalogs may not begin anew after a restart", path=self._path, error=error.strerror or error)

    def get(self, apex: bytes) -> tuple[bytes, bytes] | None:
        """
        @param apex: a folded name.

        @return: the catalog and the label.
        """
        return self._kept.get(apex)

    def of(self, catalog: bytes) -> Iterator[bytes]:
        """
        @return: the zones that a catalog listed.
        """
        return iter([apex for apex, (owner, _) in self._kept.items() if owner == catalog])

    def note(self, listed: dict[bytes, tuple[bytes, bytes] | None]) -> list[str]:
        """
        @param listed: catalog and label of zones; L{None} for those that are gone.

        @return: what is to be written of it, with L{write}.
        """
        lines: list[str] = []
        for apex, what in listed.items():
            if what is None:
                if self._kept.pop(apex, None) is not None:
                    lines.append(f"{apex.hex()}\n")
            elif self._kept.get(apex) != what:
                self._kept[apex] = what
                lines.append(f"{apex.hex()} {what[0].hex()} {what[1].hex()}\n")
        return lines
