"""
NLnet Labs' cases for master files: a text, and its records.
"""

from __future__ import annotations

import re
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.zone.masters import readText
from twisted_ext.wire.codes import CH, IN
from twisted_ext.wire.escapes import quoted
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rrtypes import typeNumber

#: Cases of which we read less, and why, with the behavior of other servers.
EXCEPTED: Final = {
    "mixedclass": "one file holds records of one class (RFC 1035, section 5.2); BIND, NSD and Knot refuse all of it, dnspython as well",
    "defaultclass": "an A record of class CH is a name and a number (RFC 1034, section 3.6); BIND and dnspython refuse an address there",
    "unknown-zero-length": "TXT has one string or more (RFC 1035, section 3.3.14); BIND, Knot and dnspython refuse it, NSD does not",
}

#: The types that are read from these, and whether the zone is sound.
READ: Final = {"mixedclass": ([16], False), "defaultclass": ([16], False), "unknown-zero-length": ([], False)}

_RESULT: Final = re.compile(r"  - owner: (\S+)\n    class: (\w+)\n    ttl: (\d+)\n    data: !(\w+)\n((?:      .*\n)*)")

Record = tuple[bytes, int, int, bytes]


def resultsOf(text: str) -> tuple[list[Record], set[str]]:
    """
    Return the records of a case in class IN, and all of its classes.
    """
    found: list[Record] = []
    classes: set[str] = set()
    for owner, rrClass, ttl, kind, data in _RESULT.findall(text.rstrip() + "\n"):
        classes.add(rrClass)
        lines = [line.strip() for line in data.splitlines() if line.strip()]
        values = [line.partition(": ")[2] if ": " in line else line.removeprefix("- ") for line in lines]
        if kind == "Unknown":
            kind = values[0]
            digits = values[1] if len(values) > 1 and not values[1].endswith(":") else ""
            values = ["\\#", str(len(digits) // 2), digits]
        elif kind == "Txt":
            values = [quoted(value.encode()) for value in values]
        number = typeNumber(kind)
        assert number is not None
        if rrClass == "IN":
            rdata = rdataFromText(number, " ".join(values)) if values != ["\\#", "0", ""] else b""
            found.append((nameFromText(owner), number, int(ttl), rdata))
    return found, classes


class NLnetLabsTests(SynchronousTestCase):
    """
    Tests with these cases.
    """

    def test_textsGiveTheirRecords(self) -> None:
        """
        Each text gives the records of its case, with explicit or implicit TTLs.
        """
        paths = sorted(corpus("nlnet-domain/test-data/zonefiles").glob("*.yaml"))
        self.assertGreater(len(paths), 12)
        differing: list[str] = []
        for path in paths:
            head, _, results = path.read_text("utf-8").partition("\nresult:\n")
            lines = head.partition("zonefile: |\n")[2].split("\n")
            text = "".join([f"{line[2:]}\n" for line in lines])
            wanted, classes = resultsOf(results)
            self.assertTrue(wanted or classes == {"CH"}, path)
            for quick in (True, False):
                # One of the records is the root's.
                rrClass = CH if "\ndefault_class: CH\n" in head else IN
                reading = readText("$ORIGIN example.com.\n" + text, ".", quick=quick, rrClass=rrClass)
                if path.stem in READ:
                    self.assertEqual(([rrType for _, rrType, _, _ in reading.records()], reading.sound), READ[path.stem])
                if not reading.sound or sorted(reading.records()) != sorted(wanted) or classes != {"IN"}:
                    differing.append(path.stem)
        self.assertEqual(set(differing), set(EXCEPTED))
