"""
Unbound's vectors of signatures and digests: entries with the sections of a message.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet, groupRecords
from twisted_ext.wire.rrtypes import RRSIG

__all__ = ["VectorEntry", "readEntries", "signedSets"]

_TTL: Final = 3600

#: Superfluous padding after base 64, which other readers ignore.
_SUPERFLUOUS: Final = re.compile(r"(\s(?:[A-Za-z0-9+/]{4})+)==?$")


class VectorEntry(NamedTuple):
    """
    One entry: the name asked for, and the records of all sections.
    """

    name: bytes
    sets: tuple[RRSet, ...]


def readEntries(path: Path) -> list[VectorEntry]:
    """
    Return the entries of a file.
    """
    entries = []
    for text in path.read_text("latin-1").split("ENTRY_BEGIN")[1:]:
        lines = [line.partition(";")[0].strip() for line in text.partition("ENTRY_END")[0].splitlines()]
        name = b""
        section = ""
        records = []
        for line in lines:
            if line.startswith("SECTION"):
                section = line.split()[1]
            elif line and section == "QUESTION":
                name = nameFromText(line.split()[0])
            elif line and section:
                records.append(recordFromText(_SUPERFLUOUS.sub(r"\1", line), ttl=_TTL))
        entries.append(VectorEntry(name, groupRecords(records)))
    return entries


def signedSets(sets: tuple[RRSet, ...] | list[RRSet]) -> list[tuple[RRSet, RRSet | None]]:
    """
    Return the sets other than RRSIG, each with the signatures that cover it.
    """
    signatures = {(rrset.name.lower(), rrset.rdatas[0][:2]): rrset for rrset in sets if rrset.rrType == RRSIG}
    return [
        (rrset, signatures.get((rrset.name.lower(), rrset.rrType.to_bytes(2, "big")))) for rrset in sets if rrset.rrType != RRSIG
    ]
