"""
Knot's cases for its scanner of master files: the result of each record, or its error.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.patching import skipExtending
from twisted_ext.zone.zonefile.reader import Reader, readMaster


class Record(NamedTuple):
    """
    A record, octet by octet.
    """

    owner: bytes
    rrType: int
    ttl: int
    rdata: bytes


class Wrong(NamedTuple):
    """
    An error in an entry. C{ends} is set where the scanner stops.
    """

    text: str
    ends: bool


class Tracing(Reader):
    """
    A reader that records its results in order.
    """

    def __init__(self) -> None:
        self.trace: list[Record | Wrong] = []
        # The fast path stores records without a call for each.
        super().__init__(b"\x00", 0, False)

    def place(self, labels: bytes, rrType: int, record: bytes) -> None:
        length = len(labels)
        ttl = int.from_bytes(record[length + 6 : length + 10], "big")
        self.trace.append(Record(labels + b"\x00", rrType, ttl, record[length + 12 :]))
        super().place(labels, rrType, record)

    def _complain(self, line: int, column: int, text: str, check: str = "syntax") -> None:
        self.trace.append(Wrong(text, check == "syntax"))
        super()._complain(line, column, text, check)


#: For each file the number of entries on which we differ, and why.
EXCEPTED: Final[dict[str, tuple[int, str]]] = {
    "00-2_general": (1, "lines end with CR and LF where text is kept so (RFC 1035, section 5.1 leaves it to the system)"),
    "01_owner": (1, "the owner before was taken, with a warning: any octet may be in a name (RFC 2181, section 11)"),
    "02_class": (1, "the class may be written as its number (RFC 3597, section 5)"),
    "36_RRSIG": (1, "any year is a time modulo 2^32 (RFC 4034, section 3.1.5)"),
    "42_LOC": (3, "no place is further than 90 degrees north (RFC 1876, section 2)"),
    "47_L64": (1, "zeros at the beginning may be left out (RFC 6742, section 2.3.3)"),
    "51_URI": (1, "an empty target is not a URI (RFC 7553, section 4.4)"),
    "52_CAA": (1, "a tag has a letter or digit at least (RFC 8659, section 4.1)"),
    "56_ZONEMD": (6, "a digest has 12 octets at least (RFC 8976, section 2.2.4)"),
    "57_SVCB": (1, "no-default-alpn goes with alpn only (RFC 9460, section 7.1.1)"),
    "03_rrttl": (1, "a TTL that is too large is 0 (RFC 2181, section 8), as for BIND"),
    "05-0_TTL": (1, "likewise"),
    "06-0_INCLUDE": (6, "$TTL counts for all records after it (RFC 2308, section 4), after an included file too, as for BIND"),
    "28_TYPE": (1, "no zone has records of type 0 (RFC 6895, section 3.1)"),
}

#: Errors of the scanner that are warnings here: odd characters in names, strings without a blank between them, blanks at the end of base
#: 64.
TAKEN: Final = ("ZS_BAD_OWNER", "ZS_BAD_RDATA", "ZS_BAD_DNAME_CHAR", "ZS_BAD_BASE64_CHAR", "ZS_BAD_TEXT")


def wantedOf(path: Path) -> list[Record | Wrong]:
    """
    Return the results of the scanner for a file.
    """
    found: list[Record | Wrong] = []
    for block in path.read_text("utf-8").split("------\n"):
        said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "OWNER" in said:
            owner, rdata = bytes.fromhex(said["OWNER"]), bytes.fromhex(said["RDATA"])
            found.append(Record(owner, int(said["RTYPE"], 16), int(said["RRTTL"], 16), rdata))
        elif said:
            ((kind, text),) = said.items()
            # The scanner reports an incomplete included file a second time at the line that includes it.
            if text != "ZS_UNPROCESSED_INCLUDE":
                found.append(Wrong(text, kind == "ERROR"))
    return found


def differences(wanted: list[Record | Wrong], trace: list[Record | Wrong]) -> list[tuple[Record | Wrong | None, Record | Wrong | None]]:
    """
    Return the results that do not match. An error of the scanner must be one of ours in the same entry, fatal for the zone or a warning on
    an accepted record.
    """
    differing: list[tuple[Record | Wrong | None, Record | Wrong | None]] = []
    rest = list(reversed(trace))
    for want in wanted:
        warned = False
        while rest and isinstance(rest[-1], Wrong) and not rest[-1].ends:
            warned = True
            rest.pop()
        found = rest[-1] if rest else None
        if isinstance(want, Wrong):
            if warned:
                if isinstance(found, Record) and want.text in TAKEN:
                    rest.pop()
            elif isinstance(found, Wrong):
                rest.pop()
            else:
                differing.append((want, found))
                if rest:
                    rest.pop()
            if want.ends:
                return differing
        else:
            if found != want:
                differing.append((want, found))
            if rest:
                rest.pop()
    differing += [(None, each) for each in reversed(rest) if isinstance(each, Record) or each.ends]
    return differing


class ScannerTests(SynchronousTestCase):
    """
    Tests with all files of the scanner.
    """

    def test_resultsEqualThoseOfScanner(self) -> None:
        """
        Each record is that of the scanner, and each error of the scanner is an error or a warning of ours.
        """
        skipExtending(Reader)
        folder = corpus("knot-zscanner/tests/libzscanner/data")
        paths = sorted(folder.glob("*.in"))
        self.assertGreater(len(paths), 85)
        entries = 0
        unexplained: list[object] = []
        excepted: Counter[str] = Counter()
        for path in paths:
            wanted = wantedOf(path.with_suffix(".out"))
            entries += len(wanted)
            reader = Tracing()
            text = path.read_bytes().replace(b"@TMPDIR@", str(folder).encode())
            reader.read(text, str(path))
            quick = readMaster(text, b"\x00", path=str(path), ttl=0)
            self.assertEqual(list(quick.records()), list(reader.reading.records()), path)
            self.assertEqual([str(each) for each in quick.complaints], [str(each) for each in reader.reading.complaints], path)
            found = differences(wanted, reader.trace)
            most, _ = EXCEPTED.get(path.stem, (0, ""))
            excepted[path.stem] += min(len(found), most)
            if len(found) != most:
                unexplained += [(path.name, *each) for each in found]
        self.assertEqual(unexplained, [])
        self.assertGreater(entries, 1100)
        self.assertEqual(excepted.total(), sum(count for count, _ in EXCEPTED.values()))
        self.assertLess(excepted.total() / entries, 0.024)
