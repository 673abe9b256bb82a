"""
Truncated and damaged master files of other projects.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.zone.masters import readText
from twisted_ext.errors import BadZone
from twisted_ext.wire.names import ROOT
from twisted_ext.zone.limits import MASTER_COMPLAINTS
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.reader import MasterFileContent, readMaster

#: The most octets of a file, to keep the test short.
_MOST: Final = 60_000

#: Replacements of a damaged byte: special characters of master files, or any.
_MEANINGS: Final = b'"();\\$@\n\r\t .*0\x00\xff'


def readEverything(data: bytes) -> MasterFileContent:
    """
    Read everything in a damaged file, which gives complaints with positions, or a sound zone.
    """
    reading = readMaster(data, ROOT, path="", ttl=60)
    kept = 2 * MASTER_COMPLAINTS.default + 1
    assert len(reading.complaints) <= kept
    for complaint in reading.complaints:
        assert complaint.text and len(complaint.text) < 2000, complaint
        assert complaint.line > 0 and complaint.column > 0, complaint
    if reading.sound:
        try:
            image = Image(reading.builder.finish())
        except BadZone:
            return reading
        version = Version(image)
        assert sum(1 for _ in version.nodes()) == image.nodes
    return reading


def files() -> list[Path]:
    """
    Return all master files of the corpora.
    """
    patterns = {
        "bind10": ("**/*.zone", "**/*.signed", "**/*-signed", "**/data/ex*", "**/*.txt"),
        "nlnet-domain/test-data": ("**/*.zone", "**/*.txt"),
        "rfc-zones": ("*.zone",),
        "zonemd-test-cases": ("**/*.zone", "**/*.hashed"),
        "dnspython/tests": ("example*",),
        "knot-zscanner/tests/libzscanner/data": ("*.in",),
    }
    found = {path for folder, each in patterns.items() for pattern in each for path in corpus(folder).glob(pattern) if path.is_file()}
    return sorted(found)


@pytest.mark.parametrize("times", [8, pytest.param(50, marks=pytest.mark.long)])
def test_damagedFilesGiveComplaintsOrZone(times: int) -> None:
    """
    A file that is truncated or damaged, each so many times, gives complaints or a sound zone.
    """
    paths = files()
    assert len(paths) > 150
    unsound = 0
    for path in paths:
        random = Random(path.name)
        data = path.read_bytes()[:_MOST]
        for _ in range(times):
            unsound += not readEverything(data[: random.randrange(len(data) + 1)]).sound
            damaged = bytearray(data)
            for _ in range(random.randrange(1, 4)):
                if damaged:
                    damaged[random.randrange(len(damaged))] = random.choice((random.choice(_MEANINGS), random.randrange(256)))
            unsound += not readEverything(bytes(damaged)).sound
    assert unsound > 20 * times


class OctetsTests(SynchronousTestCase):
    """
    Tests with any octets.
    """

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
    def test_bothParsersAgreeOnAnyOctets(self, data: bytes) -> None:
        """
        Any octets are a master file or give complaints, and the fast path gives the same ones.
        """
        reading = readMaster(data, ROOT, ttl=60)
        other = readText(data, ".", ttl=60, quick=False)
        self.assertEqual([str(each) for each in reading.complaints], [str(each) for each in other.complaints])
        self.assertEqual(reading.builder.nodes, other.builder.nodes)
