"""
Messages and names from fuzzing corpora of other projects.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.examining import examine
from tests.conformance.oracle import isReadByDnspython
from tests.corpora import corpus
from twisted_ext.errors import BadMessage, BadName
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import MOST_OCTETS, nameFromText, nameToText
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.tsig import Key, splitSigned, verify


def filesOf(name: str) -> list[Path]:
    """
    Return the files of a folder of the corpora.
    """
    return sorted(path for path in corpus(name).iterdir() if path.is_file())


class FuzzedMessageTests(SynchronousTestCase):
    """
    Tests with hostile messages.
    """

    def examineAll(self, name: str, least: int) -> tuple[int, int]:
        """
        Return the number of valid and of refused messages.

        @param least: how many files there must be.
        """
        files = filesOf(name)
        self.assertGreaterEqual(len(files), least)
        good = 0
        for path in files:
            with self.subTest(path.name):
                wire = path.read_bytes()
                if isinstance(examine(wire), Message):
                    good += 1
                else:
                    self.assertFalse(isReadByDnspython(wire), "refused here, but understood by dnspython")
        return good, len(files) - good

    def test_messagesOfBINDAreHarmless(self) -> None:
        """
        Every message of BIND's corpus is read or refused, and many are valid.
        """
        good, bad = self.examineAll("bind9-fuzz/fuzz/dns_message_parse.in", 300)
        self.assertGreater(good, 250)

    def test_messagesOfCAresAreHarmless(self) -> None:
        """
        Every message of c-ares' corpus is read or refused.
        """
        good, bad = self.examineAll("c-ares-fuzz/test/fuzzinput", 70)
        self.assertGreater(good, 50)
        self.assertGreater(bad, 5)

    def test_signaturesGiveVerdictOrError(self) -> None:
        """
        Messages made to trouble the verification of signatures give a verdict or are refused.
        """
        key = Key(b"\x00", b"secret")
        for path in filesOf("bind9-fuzz/fuzz/dns_message_checksig.in") + filesOf("bind9-fuzz/fuzz/dns_message_parse.in"):
            octets = path.read_bytes()
            # Some are whole messages. The others are a record after two octets of lengths.
            for wire in (octets, octets[2:]):
                with self.subTest(path.name):
                    try:
                        signed, record = splitSigned(wire)
                        if record is not None:
                            self.assertLess(len(signed), len(wire))
                            known = Key(record.keyName, b"secret")
                            self.assertNotEqual(verify(wire, {known.name: known, key.name: key}, 0).error, 0)
                    except BadMessage:
                        pass


class FuzzedNameTests(SynchronousTestCase):
    """
    Tests with hostile names.
    """

    def test_namesFromWireAreValidOrRefused(self) -> None:
        """
        A name in any octets is valid or refused.
        """
        for path in filesOf("bind9-fuzz/fuzz/dns_name_fromwire.in"):
            octets = path.read_bytes()
            for offset in range(len(octets)):
                with self.subTest(path.name, offset=offset):
                    try:
                        name, behind = Reader(octets).name(offset)
                    except BadMessage:
                        continue
                    self.assertLessEqual(len(name), MOST_OCTETS)
                    self.assertTrue(offset < behind <= len(octets))
                    self.assertEqual(nameFromText(nameToText(name)), name)

    def test_namesFromTextRoundTripOrFail(self) -> None:
        """
        A text is a name that round-trips, or is refused.
        """
        paths = [
            *filesOf("bind9-fuzz/fuzz/dns_name_fromtext_target.in"),
            *filesOf("bind9-fuzz/fuzz/dns_qpkey_name.in"),
            *filesOf("c-ares-fuzz/test/fuzznames"),
        ]
        for path in paths:
            octets = path.read_bytes()
            for text in (octets, octets.decode("latin-1"), octets.decode("utf-8", "surrogateescape")):
                with self.subTest(path.name):
                    try:
                        name = nameFromText(text)
                    except BadName:
                        continue
                    self.assertEqual(nameFromText(nameToText(name)), name)
