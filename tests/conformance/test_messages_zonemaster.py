"""
Responses of real servers, recorded by Zonemaster.
"""

from __future__ import annotations

import re
import zipfile
from base64 import b64decode
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.examining import examine
from tests.corpora import corpus
from twisted_ext.wire.message import Message

_DATA = re.compile(rb'"data":"([^"]*)"')


def responses() -> Iterator[bytes]:
    """
    Return every recorded response.
    """
    with zipfile.ZipFile(corpus("zonemaster/zonemaster-recorded-packets.zip")) as archive:
        for name in archive.namelist():
            for text in _DATA.findall(archive.read(name)):
                yield b64decode(text.replace(b"\\/", b"/"))


class ZonemasterTests(SynchronousTestCase):
    """
    Tests with recorded responses.
    """

    def test_recordedResponsesAreRead(self) -> None:
        """
        Every response of real servers is read at a limited cost, and can be built again.
        """
        bad: list[str] = []
        count = 0
        seen: set[bytes] = set()
        for wire in responses():
            count += 1
            # The ID does not matter, and many responses were recorded twice.
            if wire[2:] not in seen:
                seen.add(wire[2:])
                found = examine(wire)
                if not isinstance(found, Message):
                    bad.append(f"{found}: {wire.hex()}")
        self.assertEqual(count, 31245)
        self.assertEqual(bad, [])
