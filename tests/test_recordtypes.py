"""
Tests of what it takes to add a record type: one row in L{twisted_ext.wire.rrtypes}, and the class of its rdata.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.test_architecture import ROOT
from twisted_ext.wire.builder import COMPRESSED
from twisted_ext.wire.rdata.registry import declarationOf, layoutOf
from twisted_ext.wire.rrtypes import TYPE_NUMBERS, moduleOf

_ROW: Final = """
FAKE_KIND: Final = _row(65300, "fakekind")
"""

_CLASS: Final = """
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number


class FAKE_KIND(Rdata):
    level = Number(1)
    target = Name(expanded=True, folded=True)
"""

#: What is looked at in a copy of the package to which these were added.
_LOOK: Final = """
import runpy, sys

from twisted.internet.task import Clock

from tests.compat.fakes import Fake, data, rrset
from twisted_ext import client, dns
from twisted_ext.apps.cli.query.args import parseQueries
from twisted_ext.compat.lookupmethods import Lookups
from twisted_ext.compat.names import NamesResolver
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import canonicalRdata, rdataFromText, rdataToText
from twisted_ext.wire.rrtypes import FAKE_KIND, typeName, typeNumber
from twisted_ext.zone import Zone
from twisted_ext.zone.zonefile.writer import readableFile

number, owner, octets = 65300, nameFromText("a.example."), bytes([7]) + nameFromText("Host.a.example.")
assert client.__file__.startswith(sys.argv[1])
assert (FAKE_KIND, typeName(number), typeNumber("fake-kind")) == (number, "FAKE-KIND", number)

# Octets, text, and the form that is signed.
assert rdataFromText(number, "7 Host", owner) == octets
assert rdataToText(number, octets) == "7 Host.a.example."
assert canonicalRdata(number, octets) == octets.lower()

# A message; its name is expanded where it is compressed.
record = rrset("a.example.", "FAKE-KIND", "7 Host.a.example.")
written = buildMessage(Message(1, 0x8400, (Question(owner, number),), (record,)))
assert Message.fromWire(written).check().answer == (record,)
uncompressed = b"\\0\\x11" + octets
assert uncompressed in written
short = written.replace(uncompressed, b"\\0\\x08" + octets[:6] + b"\\xc0\\x0c")
assert Message.fromWire(short).check().answer == (record,)

# A master file.
zone = Zone.fromText("@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns\\na 60 FAKE-KIND 7 Host.a\\n", "example.")
sets = [rrset for node in zone.current.nodes() for rrset in node.sets]
assert any(line.endswith(" FAKE-KIND 7 Host.a") for line in readableFile(sets, nameFromText("example.")))

# Look-ups.
source = Fake(now=True)
source.knows("a.example.", "FAKE-KIND", data(record))
client.theResolver = resolver = NamesResolver(source, Clock())
for looking in (resolver.lookupFAKEKIND("a.example."), client.lookupFAKEKIND("a.example."), client.lookup("a.example.", "fake-kind")):
    found = []
    looking.addCallback(found.append)
    (header,) = found[0][0]
    assert (header.type, header.payload.level, str(header.payload.target)) == (number, 7, "Host.a.example")
assert "lookupFAKEKIND" in client.__all__ and "lookupFAKEKIND" in vars(Lookups)

# Constants and records.
assert dns.FAKE_KIND == dns.REV_TYPES["FAKE-KIND"] == number
assert dns.QUERY_TYPES[number] == "FAKE-KIND" and "FAKE_KIND" in dns.__all__
assert dns.Record_FAKE_KIND(7, "Host.a.example").rdata.wire == octets

# The command.
assert parseQueries(["a.example", "FAKE-KIND"])[0].rrType == number

# Type checkers.
script = runpy.run_path(sys.argv[2])
assert "\\nRecord_FAKE_KIND: type[Record]\\n" in script["dnsNames"]()
assert script["lookupNames"]().count("lookupFAKEKIND: Lookup\\n") == 2
"""


def test_row(tmp_path: Path) -> None:
    """
    A type that gets a row and a class is known everywhere: in messages, master files, look-ups, constants, commands.
    """
    package = tmp_path / "twisted_ext"
    shutil.copytree(ROOT / "twisted_ext", package, ignore=shutil.ignore_patterns("__pycache__"))
    types = package / "wire" / "rrtypes.py"
    before, row, behind = types.read_text("utf-8").partition("\nDELEG: Final = ")
    assert row
    types.write_text(f"{before}{_ROW}{row}{behind}", "utf-8")
    (package / "wire" / "rdata" / "types" / "fakekind.py").write_text(_CLASS, "utf-8")
    words = [sys.executable, "-c", _LOOK, str(package), str(ROOT / "docs" / "recordtypes.py")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_declarations() -> None:
    """
    Each row's module has a class of the type's name.
    """
    for name, number in TYPE_NUMBERS.items():
        if moduleOf(number) is not None:
            declaration = declarationOf(number)
            found = (declaration.__module__, declaration.__name__.replace("_", "-"), declaration.mnemonic, declaration.rrType)
            assert found == (moduleOf(number), name, name, number)


def test_compressed() -> None:
    """
    The types whose names are compressed have the layout that their declarations give.
    """
    for number, (before, names) in COMPRESSED.items():
        layout = layoutOf(number)
        assert isinstance(layout, tuple)
        assert layout[:2] == (before, names)
