"""
Master files, as read by BIND's C{named-compilezone} and by us.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.peers import peer
from tests.zone.changing import textsOf
from tests.zone.masters import setsOf
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.reader import MasterFileContent, readMaster
from twisted_ext.zone.zonefile.writer import canonicalFile, readableFile

__all__: list[str] = []

_APEX: Final = nameFromText("example.org.")

HEAD: Final = "@ 1h IN SOA ns host 7 1h 15m 1w 5m\n@ 1h NS ns\nns 60 A 192.0.2.1\n"

#: Syntax with more than one form, or that is easily misread.
ZONES: Final = {
    "lifetimes": "a A 192.0.2.2\nb 5 A 192.0.2.3\nc A 192.0.2.4\n$TTL 1d12h\nd A 192.0.2.5\ne IN 1w2d3h4m5s A 192.0.2.6\nf A 192.0.2.7\n",
    "origins": "$ORIGIN sub\na A 192.0.2.2\n$ORIGIN deep\n@ A 192.0.2.3\n\tAAAA ::1\n$ORIGIN example.org.\nx CNAME a.sub\n"
    "$ORIGIN .\ny.example.org NS z\n",
    "words": 'a TXT "b ; c" d\\032e "\\"" "" f\\;g ; h\nb TXT ( "one"\n two ; (\n\n three)\n'
    "a\\.b\\032c A 192.0.2.2\n\\065 A 192.0.2.3\n* A 192.0.2.4\n",
    "quotes": 'a TXT x"y"z\nb TXT k"v w"\nc TXT "a"b"c d"\nd TXT k="v w"\ne TXT a\\"b\nf TXT ( x"y"\n"z" )\n'
    'g HINFO a"b c"\nh HINFO "a"b\ni SPF v=spf1"-all"\nj CAA 0 issue"ca.example"\nk URI 1 1"ftp://x y"\nl ISDN 12"34"\n'
    'm NAPTR 1 1"U" "E2U" "!x!y!" .\nn SVCB 1 . alpn="h2,h3" port=53\n',
    "unknown": "a TYPE65280 \\# 3 01 0203\nb CLASS1 TYPE1 \\# 4 c0000202\nc TYPE65281 \\# 0\nd A \\# 4 c0000203\n",
    "owners": "a A 192.0.2.2\n A 192.0.2.3\n\tIN TXT x\nA.EXAMPLE.org. A 192.0.2.4\nexample.org. MX 10 @\n@ MX 20 .\n",
    "generated": "".join(
        [
            f"$GENERATE {numbers} {owner} {rest}\n"
            for numbers, owner, rest in (
                ("1-3", "h$", "A 192.0.2.$"),
                ("0-6/3", "${0,3,d}x", "CNAME ${10,4,x}.${-5,0,X}"),
                ("9-11", "${0,3,n}.q", "PTR a$$b"),
                ("254-257", "${0,0,n}.r", "300 IN A 10.0.0.1"),
                ("16-17", "${0,1,N}.s", "IN 300 PTR x\\$y${1}"),
                ("171-172", "${0,5,N}.u", "PTR ${0,0,N}"),
                ("8-9", "${-10,4,d}.v", "PTR ${1,2,o}"),
                ("1-2", "m$", 'MX "10 mail$"'),
                ("1-2", "t$", 'TXT "a $ b"'),
            )
        ]
    ),
}


def theirs(path: Path) -> set[tuple[bytes, int, int, bytes]]:
    """
    Return the records that BIND reads from a file.
    """
    written = path.with_suffix(".bind")
    checks = ["-i", "none", "-k", "ignore", "-n", "ignore", "-m", "ignore", "-M", "ignore", "-S", "ignore"]
    command = [str(peer("named-compilezone")), "-q", *checks, "-s", "full", "-o", str(written), "example.org", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return records(readMaster(str(written), _APEX))


def records(reading: MasterFileContent) -> set[tuple[bytes, int, int, bytes]]:
    """
    Return the records that were read. Names are in lower case, as BIND gives all records of one owner the case of the first.
    """
    assert reading.sound, reading.complaints
    return {(owner.lower(), rrType, ttl, rdata) for owner, rrType, ttl, rdata in reading.records()}


@pytest.mark.parametrize("name", sorted(ZONES))
def test_ambiguousFilesAreReadAsByBIND(name: str, tmp_path: Path) -> None:
    """
    Files with ambiguous syntax are read as by BIND.
    """
    path = tmp_path / "zone"
    path.write_text(HEAD + ZONES[name])
    assert records(readMaster(str(path), _APEX)) == theirs(path)


_Read = set[tuple[int, int, bytes]] | None

#: The documented exceptions: a name, its records, and what BIND and we read: types, TTLs and rdata; L{None} for an error; or a text in what
#: BIND writes, in a form that we do not read.
EXCEPTIONS: Final[dict[str, tuple[bytes, str, _Read | str, _Read]]] = {
    "longString": (b"a", f"a 60 TXT {'x' * 300}\n", None, {(16, 60, b"\xff" + b"x" * 255 + b"\x2d" + b"x" * 45)}),
    "unicodeName": ("bär".encode("idna"), "bär 60 A 192.0.2.9\n", set(), {(1, 60, b"\xc0\x00\x02\x09")}),
    "octets": (b"b\xe4r", "b\udce4r 60 A 192.0.2.9\n", {(1, 60, b"\xc0\x00\x02\x09")}, None),
    "escapedOctets": (b"b\xe4r", "b\\228r 60 A 192.0.2.9\n", {(1, 60, b"\xc0\x00\x02\x09")}, {(1, 60, b"\xc0\x00\x02\x09")}),
    "mixedLifetimes": (
        b"a",
        "a 60 TXT x\na 30 TXT y\n",
        {(16, 60, b"\x01x"), (16, 60, b"\x01y")},
        {(16, 30, b"\x01x"), (16, 30, b"\x01y")},
    ),
    "sink": (b"a", "a 60 SINK 1 0 0 AAAA\n", "SINK", None),
    "unknownSink": (b"a", "a 60 TYPE40 \\# 3 010000\n", "SINK", {(40, 60, b"\x01\x00\x00")}),
    "alias": (b"a", "a 60 ALIAS ns\n", None, {(65401, 60, nameFromText("ns.example.org."))}),
    "date": (b"a", "$DATE 20261124000000\na 60 TXT x\n", {(16, 60, b"\x01x")}, None),
}


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_exceptionsAreThoseDocumented(name: str, tmp_path: Path) -> None:
    """
    What is read otherwise than by BIND is what the documentation lists.
    """
    label, text, byThem, byUs = EXCEPTIONS[name]
    path = tmp_path / "zone"
    path.write_bytes((HEAD + text).encode("utf-8", "surrogateescape"))
    owner = bytes([len(label)]) + label

    def at(found: set[tuple[bytes, int, int, bytes]]) -> _Read:
        return {(rrType, ttl, rdata) for key, rrType, ttl, rdata in found if key in (owner, owner + _APEX)}

    reading = readMaster(str(path), _APEX)
    assert (at(textsOf(Version(Image(reading.builder.finish(b""))))) if reading.sound else None) == byUs
    if isinstance(byThem, set):
        assert at(theirs(path)) == byThem
        return
    with suppress(AssertionError):
        theirs(path)
    written = path.with_suffix(".bind")
    assert written.exists() == (byThem is not None)
    if byThem:
        assert byThem in written.read_text()


def test_includesAreReadAsByBIND(tmp_path: Path) -> None:
    """
    Included files change origin and owner for themselves only, and their paths are resolved as by BIND.
    """
    included = tmp_path / "included"
    included.write_text("$TTL 9\na A 192.0.2.2\n$ORIGIN b\nc A 192.0.2.3\n")
    path = tmp_path / "zone"
    path.write_text(f"{HEAD}x 5 A 192.0.2.4\n$INCLUDE {included} sub\n\t6 TXT x\ny 7 A 192.0.2.6\n")
    assert records(readMaster(str(path), _APEX)) == theirs(path)


def test_writtenFilesAreReadByBIND(tmp_path: Path) -> None:
    """
    BIND reads the same records from the files that we write, in both styles.
    """
    random = Random(4)
    source = HEAD + "".join(ZONES.values())
    reading = readMaster(source.encode(), _APEX, path="zone")
    sets = setsOf(reading)
    random.shuffle(sets)
    for lines in (canonicalFile(sets), readableFile(sets, _APEX)):
        path = tmp_path / "zone"
        path.write_text("\n".join(lines) + "\n")
        ours = records(readMaster(str(path), _APEX))
        assert ours == records(reading)
        # BIND gives the records of one set the same TTL.
        assert {(owner, rrType, rdata) for owner, rrType, _, rdata in theirs(path)} == {(each[0], each[1], each[3]) for each in ours}
