"""
A zone on a full disk, for L{tests.live.zones.test_fulldisk}: C{python -m tests.live.zones.full FOLDER}, where FOLDER is a small disk.

It writes one line for each result.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.zone.changing import APEX, record, textsOf, zoneOf
from twisted_ext.errors import StorageFault
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

__all__ = ["main"]


def main(folder: str) -> None:
    """
    Fill the disk, try changes that are refused, free space, and continue.
    """
    path = f"{folder}/journal"
    journal = Journal(path, APEX)
    version = zoneOf().current

    def change() -> Version:
        transaction = Transaction(version)
        transaction.add(record(f"n{version.serial} 60 TXT {'x' * 200}"))
        committed = transaction.commit()
        assert committed is not None
        journal.append([committed[1]])
        return committed[0]

    for _ in range(10):
        version = change()
    filler = Path(folder) / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError as error:
            writeLine(f"full: {error.strerror}")
    refused = 0
    for _ in range(40):
        try:
            version = change()
        except StorageFault as fault:
            refused += 1
            said = str(fault).rpartition(": ")[2]
    writeLine(f"refused: {refused > 0} {said}")
    filler.unlink()
    for _ in range(10):
        version = change()
    journal.close()
    again = Journal(path, APEX)
    writeLine(f"said: {again.said!r}")
    writeLine(f"same: {textsOf(again.replayed(zoneOf().current)) == textsOf(version)}")


def writeLine(line: str) -> None:
    """
    Write a line.
    """
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
