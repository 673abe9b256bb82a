"""
Tests of L{twisted_ext.dnssec.anchors.statefile}: restarts, damaged files, and a disk that cannot be written.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.dnssec.anchors.test_formats import AUTOTRUST, DS_2017, KEY_2024
from tests.dnssec.anchors.test_rollover import anchored, look
from tests.dnssec.anchors.testkeys import DAY, ZONE_NAME, digestAnchor, key, shown
from twisted_ext.dnssec.anchors import statefile
from twisted_ext.dnssec.anchors.formats import anchorsFromFile
from twisted_ext.dnssec.anchors.rollover import TrustPoint
from twisted_ext.dnssec.anchors.statefile import trustPointFromText, trustPointToText
from twisted_ext.errors import BadDescription
from twisted_ext.files import replacingFile
from twisted_ext.limits import Limit
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.rrtypes import DS


def faultOf(content: str | bytes) -> str:
    """
    Return the error of a file that is not valid.
    """
    try:
        trustPointFromText(content, "state")
    except BadDescription as error:
        return error.text
    raise AssertionError("no error")


def example() -> TrustPoint:
    """
    Return a trust point with keys in several states.
    """
    point = TrustPoint(ZONE_NAME, [digestAnchor("A"), digestAnchor("B"), digestAnchor("C")])
    look(point, "AB", "A", 20_000 * DAY)
    look(point, "aBD", "aB", 20_010 * DAY)
    return point


class StateFileTests(SynchronousTestCase):
    """
    Tests for L{trustPointToText} and L{trustPointFromText}.
    """

    def test_stateSurvivesTheFile(self) -> None:
        """
        A trust point restored from its file is the same, and goes on the same way.
        """
        point = example()
        restored = trustPointFromText(trustPointToText(point).encode(), "state")
        self.assertEqual(shown(restored), "A4 B2 D1")
        self.assertEqual(len(restored.digests), 1)
        self.assertEqual(trustPointToText(restored), trustPointToText(point))
        for one in (point, restored):
            look(one, "BD", "B", 20_040 * DAY)
        self.assertEqual(shown(restored), "A5 B2 D2")
        self.assertEqual(trustPointToText(restored), trustPointToText(point))

    def test_fileIsOneOfTrustAnchors(self) -> None:
        """
        The file can be read as trust anchors: those that are trusted.
        """
        anchors = anchorsFromFile(trustPointToText(example()).replace("\t13 ", "\t8 "), "state", 0).anchors
        self.assertEqual([anchor.rrType for anchor in anchors], [DS])

    def test_fileOfUnboundIsRead(self) -> None:
        """
        A state file of Unbound is taken over with its hold-down times; it has no checksum.
        """
        point = trustPointFromText(AUTOTRUST, "root.key")
        self.assertEqual(point.zone, ROOT)
        self.assertEqual(point.nextQuery, 1792040000)
        states = [(one.tag, one.state.value, one.since) for one in point.keys.values()]
        self.assertEqual(states, [(38696, 2, 1739000000), (20326, 1, 1739000000)])
        self.assertEqual([one.holdDown for one in point.keys.values()], [0, 30 * DAY])
        withReturns = trustPointFromText(AUTOTRUST.replace("\n", "\r\n"), "root.key")
        self.assertEqual(trustPointToText(withReturns), trustPointToText(point))

    def test_damageIsFound(self) -> None:
        """
        Every change of one octet, and every cut, is noticed, in one line that says what to do.
        """
        text = trustPointToText(example())
        for position in range(len(text) - 1):
            error = faultOf(text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :])
            self.assertTrue(error.startswith("state"), error)
            self.assertNotIn("\n", error)
            self.assertIn("restore the file, or remove it to begin with the configured trust anchors", error)
        for length in range(50, len(text) - 1, 3):
            self.assertIn("state", faultOf(text[:length]))

    def test_errors(self) -> None:
        """
        An error names the file and the line, what is wrong, and what would be right.
        """
        text = trustPointToText(example())
        line = f". IN DNSKEY 257 3 8 {KEY_2024}"
        for content, expected in (
            ("", "state: this is not the state of a trust anchor; a line such as ;;id: example.com. 1 was expected; "),
            (f". IN DS {DS_2017}", "state: this is not the state of a trust anchor; "),
            (b"\n\xff", "state:2: the file is damaged: it is not UTF-8 text; "),
            (text.replace("version 1", "version 2"), "state:1: version '2' of the format is not known; version 1 was expected; "),
            (text.partition(";;sha256")[0], "state: the file is damaged: the checksum at its end is missing; "),
            (text.replace("query_failed: 0", "query_failed: 1"), "state:14: the file is damaged: its contents do not have this checksum; "),
            (";;id: a..b 1\n", "state:1: 'a..b': a label is empty; "),
            (";;id: . 1\n;;id: . 1\n", "state:2: the file has a second zone; one was expected; "),
            (";;id: . 1\n;;last_queried: x\n", "state:2: 'x' where a number of seconds was expected; "),
            (f";;id: . 1\n;;retry_time: {10**15}\n", "state:2: '1000000000000000' where a number of seconds was expected; "),
            (";;id: . 1\n", "state: no key in the file is trusted; "),
            (f";;id: . 1\n{line}\n", "state:2: the key has no state; ;;state= with a number from 0 to 5 was expected behind it; "),
            (f";;id: . 1\n{line} ;;state=7\n", "state:2: the key has no state; "),
            (f";;id: . 1\n{line} ;;state=2\n{line} ;;state=1\n", "state:3: the key is listed twice; "),
            (f";;id: org. 1\n{line} ;;state=2\n", "state:2: a record of .; records of org. were expected; "),
            (f";;id: . 1\n{line.replace('257', '1')} ;;state=2\n", "state:2: flags 1 are not those of a key of a zone; "),
            (";;id: . 1\n. IN A 192.0.2.1\n", "state:2: a record of type A; DS or DNSKEY was expected; "),
        ):
            with self.subTest(content=content):
                error = faultOf(content)
                self.assertTrue(error.startswith(expected), error)
                self.assertTrue(error.endswith("; restore the file, or remove it to begin with the configured trust anchors"), error)
                self.assertNotIn("\n", error)

    def test_largeFilesAreRefused(self) -> None:
        """
        A file beyond the limit is not read; with the limit off, it is.
        """
        text = AUTOTRUST + "\n" * (1 << 20)
        self.assertIn("at most 1048576 are allowed", faultOf(text))
        with patch.object(statefile, "ANCHOR_FILE_OCTETS", Limit(default=1 << 24, least=1, most=1 << 24)):
            self.assertEqual(len(trustPointFromText(text, "state").keys), 2)

    def test_manyKeysAreRefused(self) -> None:
        """
        More keys than can have been followed are an error.
        """
        keys = "".join([f". IN DNSKEY 257 3 13 {number:04d}{'A' * 82}== ;;state=2\n" for number in range(300)])
        self.assertIn("state: 300 keys; at most 256 are allowed", faultOf(f";;id: . 1\n{keys}"))

    def test_unwritableFileLeavesTheOldOne(self) -> None:
        """
        If the new state cannot be written, the old file stays, and the trust point in memory goes on.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder) / "root.key"
            point = anchored("A")
            look(point, "A", "A", 20_000 * DAY)
            path.write_text(trustPointToText(point))
            look(point, "AB", "A", 20_001 * DAY)
            with patch.object(os, "fsync", side_effect=OSError(28, "No space left on device")), self.assertRaises(OSError):
                with replacingFile(str(path)) as file:
                    file.write(trustPointToText(point).encode())
            self.assertEqual(shown(trustPointFromText(path.read_text(), "state")), "A2")
            self.assertEqual(os.listdir(folder), ["root.key"])
            look(point, "AB", "A", 20_031 * DAY)
            self.assertEqual(point.anchors().keys, (key("A"), key("B")))

    @given(
        st.one_of(st.binary(max_size=300), st.text(max_size=300), st.lists(st.sampled_from([*AUTOTRUST.split(" "), "\n"])).map(" ".join))
    )
    def test_noOtherExceptionForAnyContent(self, content: str | bytes) -> None:
        """
        Whatever a file contains, it gives a trust point or one line.
        """
        try:
            trustPointFromText(content, "state")
        except BadDescription as error:
            self.assertTrue(error.text.startswith("state:"))
            self.assertNotIn("\n", error.text)
