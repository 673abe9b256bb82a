"""
Tests of the reader of scenarios: RAW messages, files, origins, and errors.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.testing.scenarios.test_player import textWith
from twisted_ext.testing.scenarios.reading import BadScenario, parseScenario, readScenario

_BEGIN: Final = "CONFIG_END\nSCENARIO_BEGIN A title.\n"
#: Lines that are wrong in some places.
_LINES: Final = (
    "", "\0", "STEP", "STEP 1 TIME_PASSES ELAPSE", "ENTRY_END", "RAW", "x: y", "RANGE_BEGIN 0", "SECTION", "$ORIGIN", "ADDRESS 1",
)

_END: Final = "SCENARIO_END\n"


class ReadingTests(SynchronousTestCase):
    """
    Tests for L{parseScenario}.
    """

    def test_rawMessagesAreRead(self) -> None:
        """
        The octets of RAW are on the next line; those of other messages and of EDNS options have an end and may have comments.
        """
        read = parseScenario(
            _BEGIN
            + "STEP 1 QUERY\nENTRY_BEGIN\nRAW\n0aff\nREPLY RD\nENTRY_END\n"
            + "STEP 2 QUERY\nENTRY_BEGIN\nRAW\nNULL\nENTRY_END\n"
            + "STEP 3 CHECK_ANSWER\nENTRY_BEGIN\nHEX_ANSWER_BEGIN\n00 01 ; one\n; two\n02\nHEX_ANSWER_END\nENTRY_END\n"
            + "STEP 4 QUERY\nENTRY_BEGIN\nSECTION ADDITIONAL\nHEX_EDNSDATA_BEGIN\n000a 0000\nHEX_EDNSDATA_END\nn. A 192.0.2.1\nENTRY_END\n"
            + _END
        )
        entries = list(read.entries())
        self.assertEqual([entry.raw for entry in entries], [b"\x0a\xff", b"", b"\x00\x01\x02", None])
        self.assertEqual(entries[0].reply, {"RD"})
        self.assertEqual((entries[3].options, len(entries[3].listed("ADDITIONAL"))), (b"\x00\x0a\x00\x00", 1))

    def test_textsOfStepsAreRead(self) -> None:
        """
        The text that a step compares a file with is kept as it is.
        """
        read = parseScenario(f"{_BEGIN}STEP 1 CHECK_AUTOTRUST example.\nFILE_BEGIN\n; a; b\n c\nFILE_END\n{_END}")
        self.assertEqual(read.steps[0].text, ["; a; b", " c"])

    def test_recordsMayBeMalformed(self) -> None:
        """
        Data in the generic form is taken as it is, and the padding of base 64 may be missing or superfluous.
        """
        key = "A" * 43
        lines = f"n. A \\# 3 010203\nn. 60 IN PX \\# 3 000A00\nn. DNSKEY 257 3 15 {key}\nn. DNSKEY 257 3 15 {key}A==\n"
        read = parseScenario(f"{_BEGIN}STEP 1 QUERY\nENTRY_BEGIN\nSECTION ANSWER\n{lines}ENTRY_END\n{_END}")
        listed = next(iter(read.entries())).listed("ANSWER")
        self.assertEqual([(each.rrType, each.ttl) for each in listed[:2]], [(1, 3600), (26, 60)])
        self.assertEqual([each.rdatas[0] for each in listed[:2]], [b"\1\2\3", b"\0\x0a\0"])
        self.assertEqual([len(each.rdatas[0]) for each in listed[2:]], [36, 37])

    def test_originsApply(self) -> None:
        """
        An origin applies to the following entries; one in a section applies to that section.
        """
        entry = "STEP {} REPLY\nENTRY_BEGIN\nSECTION ANSWER\n{}ns A 192.0.2.1\nENTRY_END\n"
        text = entry.format(1, "") + "$ORIGIN a.\n" + entry.format(2, "") + entry.format(3, "$ORIGIN b.\n") + entry.format(4, "")
        names = [entry.listed("ANSWER")[0].name for entry in parseScenario(_BEGIN + text + _END).entries()]
        self.assertEqual(names, [b"\x02ns\x00", b"\x02ns\x01a\x00", b"\x02ns\x01b\x00", b"\x02ns\x01a\x00"])

    def test_errorsHaveTheLine(self) -> None:
        """
        The error of an invalid file is one line that names the line and what is wrong there.
        """
        entry = "STEP 1 QUERY\nENTRY_BEGIN\n"
        for text, said in (
            ("RANGE_BEGIN 0\n", "line 3: the number of the last step is expected"),
            ("RANGE_BEGIN x 2\n", "line 3: the number of the first step is expected instead of 'x'"),
            ("RANGE_BEGIN 2 1\n", "line 3: the range ends at step 1, before it begins at 2"),
            ("RANGE_BEGIN 0 1\nADDRESS ns.example.\n", "line 4: 'ns.example.' is not an IP address"),
            ("ADDRESS 192.0.2.1\n", "line 3: ADDRESS outside of a range"),
            ("ENTRY_BEGIN\n", "line 3: an entry outside of ranges and steps"),
            ("STEP 1\n", "line 3: a step without a kind"),
            ("STEP one QUERY\n", "line 3: the number of the step is expected instead of 'one'"),
            (f"{entry}ENTRY_END\nENTRY_BEGIN\nENTRY_END\n", "line 6: a second entry in step 1 QUERY"),
            (f"{entry}SECTION ANSWERS\n", "line 5: 'ANSWERS' is not a section"),
            (f"{entry}www.example. A 192.0.2.1\n", "line 5: 'www.example.' is not known in an entry"),
            (f"{entry}STEP 2 QUERY\n", "line 5: STEP inside of an entry; ENTRY_END is missing before it"),
            (f"{entry}RAW\n0g\n", "line 6: pairs of hexadecimal digits are expected"),
            (f"{entry}HEX_ANSWER_BEGIN\n00\n", "line 5: HEX_ANSWER_BEGIN without HEX_ANSWER_END"),
            (f"{entry}SECTION QUESTION\nwww.example. IN\nENTRY_END\n", "line 6: no type in the question 'www.example. IN'"),
            (f"{entry}SECTION QUESTION\n\nwww..example. A\nENTRY_END\n", "line 7: "),
            (f"{entry}SECTION ANSWER\n\nwww.example. IN A 192.0.2\nENTRY_END\n", "line 7: column 19"),
            (entry, "line 5: an entry without ENTRY_END"),
            ("FILE_BEGIN\nFILE_END\n", "line 3: FILE_BEGIN outside of a step"),
            ("STEP 1 TIME_PASSES ELAPSE soon\n", "line 3: a number of seconds is expected after ELAPSE"),
            ("STEP 1 TIME_PASSES ELAPSE -1\n", "line 3: a number of seconds is expected after ELAPSE"),
            ("$ORIGIN\n", "line 3: a name is expected after $ORIGIN"),
            ("STOP 1 QUERY\n", "line 3: 'STOP' is not known here"),
        ):
            error = self.assertRaises(BadScenario, lambda text: parseScenario(_BEGIN + text + _END).check(), text)
            self.assertIn(said, str(error))
            self.assertNotIn("\n", str(error))

    def test_errorsHaveTheFile(self) -> None:
        """
        The error of a file has its name.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "odd.rpl")
            path.write_bytes(b"; \xff\n" + _BEGIN.encode() + b"STEP\n")
            self.assertIn("odd.rpl, line 4: the number of the step", str(self.assertRaises(BadScenario, readScenario, path)))

    @given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(_LINES))))
    def test_changedFilesRaiseOurErrors(self, changes: list[tuple[int, str]]) -> None:
        """
        A file with other lines in it is read, or its error is ours.
        """
        lines = textWith(raw="RAW\n00").splitlines()
        for index, line in changes:
            lines[index % len(lines)] = line
        try:
            parseScenario("\n".join(lines)).check()
        except BadScenario as error:
            self.assertRegex(str(error), r"^line \d+: [^\n]+$")


@pytest.mark.parametrize("folder", ["deckard/sets/resolver", "nlnet-domain/test-data/validator"])
def test_everyScenarioForResolversIsRead(folder: str) -> None:
    """
    All scenarios for resolvers are read, with all their records, and none has a setting that is not understood.
    """
    paths = sorted(corpus(folder).glob("*.rpl"))
    for path in paths:
        read = readScenario(path)
        read.check()
        assert read.steps and not read.configuration.others, path.name
    assert len(paths) == (191 if folder.startswith("deckard") else 96)
