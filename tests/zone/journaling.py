"""
A process that writes a journal until it is killed, for L{tests.zone.store.test_journal}. It prints each serial number once that is
on disk.
"""

from __future__ import annotations

import sys

from tests.zone.changing import APEX, ZONE, record, versionOf
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.update.transactions import Transaction

__all__: list[str] = []


def main(path: str) -> None:
    """
    Change the zone repeatedly.
    """
    journal = Journal(path, APEX, most=65536)
    version = journal.replayed(versionOf(ZONE))
    while True:
        transaction = Transaction(version)
        transaction.removeName(record("count 1 A 192.0.2.1").name)
        transaction.add(record(f"count 60 TXT {'x' * (version.serial * 7 % 200)}{version.serial + 1}"))
        committed = transaction.commit()
        assert committed is not None
        version, difference = committed
        journal.append([difference])
        sys.stdout.write(f"{version.serial}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
