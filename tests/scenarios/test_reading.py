"""
Tests of the reader and the player of scenarios.
"""

from __future__ import annotations

from typing import Final

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.corpora import corpus
from tests.scenarios.running import Mismatch, Player, Unsupported
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.testing.scenarios.reading import BadScenario, parseScenario, readScenario
from twisted_ext.wire.codes import AA, AD, QR, RD
from twisted_ext.wire.message import Question

TEXT: Final = """
; a comment
server:
    trust-anchor: "example. IN DS 1 8 2 00"   ; another
    stub-addr: 193.0.14.129 # and one more
CONFIG_END
SCENARIO_BEGIN A title.
RANGE_BEGIN 0 9
  ADDRESS 192.0.2.1
ENTRY_BEGIN
MATCH opcode qtype qname
ADJUST copy_id copy_query
REPLY QR AA AD NOERROR
SECTION QUESTION
www.example. IN TXT
SECTION ANSWER
www.example. 60 IN TXT "semi;colon" ; not part of it
SECTION ADDITIONAL
; nothing
ns.example. IN A 192.0.2.2
ENTRY_END
RANGE_END
STEP 1 QUERY
ENTRY_BEGIN
REPLY RD DO
SECTION QUESTION
WWW.example. IN TXT
ENTRY_END
STEP 2 CHECK_ANSWER
ENTRY_BEGIN
MATCH {match}
REPLY {reply}
SECTION QUESTION
www.example. IN TXT
SECTION ANSWER
www.example. {ttl} IN TXT "{text}"
{rest}
ENTRY_END
STEP 3 TIME_PASSES ELAPSE 5
SCENARIO_END
"""


def scenario(
    match: str = "all ttl",
    reply: str = "QR AA AD NOERROR",
    ttl: int = 60,
    text: str = "semi;colon",
    rest: str = "SECTION ADDITIONAL\nns.example. IN A 192.0.2.2",
) -> str:
    return TEXT.format(match=match, reply=reply, ttl=ttl, text=text, rest=rest)


def unchanged(inner: IAnswerSource, clock: Clock) -> IAnswerSource:
    return inner


@implementer(IAnswerSource)
class Disagreeing:
    """
    Give different answers at once and later.
    """

    def __init__(self, inner: IAnswerSource) -> None:
        self.inner = inner

    def ask(self, question: Question, context: QueryContext) -> Answer:
        return Answer(Outcome.NODATA)

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self.inner,)


class ReadingTests(SynchronousTestCase):
    """
    Tests for L{parseScenario}.
    """

    def test_partsAreFound(self) -> None:
        """
        Settings, ranges, entries and steps are found, and comments are ignored.
        """
        read = parseScenario(scenario())
        self.assertEqual(read.title, "A title.")
        self.assertIn(("stub-addr", "193.0.14.129"), read.config)
        self.assertIn(("trust-anchor", "example. IN DS 1 8 2 00"), read.config)
        (entry,) = read.active(9, "192.0.2.1")
        self.assertEqual(list(read.active(9, "192.0.2.2")) + list(read.active(10)), [])
        self.assertEqual(entry.flags, QR | AA | AD)
        self.assertEqual([rrset.rdatas for rrset in entry.records("ANSWER")], [(b"\x0asemi;colon",)])
        self.assertEqual([rrset.ttl for rrset in entry.records("ADDITIONAL")], [3600])
        self.assertEqual([step.kind for step in read.steps], ["QUERY", "CHECK_ANSWER", "TIME_PASSES"])
        asked = read.steps[0].entry
        assert asked is not None
        self.assertEqual((asked.flags, asked.dnssecOk, asked.question), (RD, True, entry.question))

    def test_invalidFileHasPosition(self) -> None:
        """
        The error of an invalid file has the position.
        """
        for text, said in ((TEXT[:-14], "no SCENARIO_END"), (TEXT.replace("STEP 1", "STOP 1"), "'STOP'")):
            self.assertIn(said, str(self.assertRaises(BadScenario, parseScenario, text)))


class PlayingTests(SynchronousTestCase):
    """
    Tests for L{Player}: it accepts the right answers, and no others.
    """

    def test_matchingScenarioPasses(self) -> None:
        """
        A scenario with matching answers passes, and time passes in it.
        """
        player = Player(parseScenario(scenario()), unchanged)
        player.play()
        self.assertEqual(player.clock.seconds(), 1.7e9 + 5)
        self.assertEqual(len(player.upstream.asked), 1)

    def test_eachDifferenceFails(self) -> None:
        """
        Each compared part fails when it differs.
        """
        for text in (
            scenario(reply="QR AA NOERROR"),
            scenario(reply="QR AA AD NXDOMAIN"),
            scenario(ttl=59),
            scenario(text="other"),
            scenario(rest=""),
            scenario(rest="SECTION AUTHORITY\nexample. IN NS ns.example.\nSECTION ADDITIONAL\nns.example. IN A 192.0.2.2"),
        ):
            self.assertRaises(Mismatch, Player(parseScenario(text), unchanged).play)
        Player(parseScenario(scenario(match="all", ttl=59)), unchanged).play()

    def test_disagreeingSourceFails(self) -> None:
        """
        A source whose two ways of asking differ fails.
        """
        player = Player(parseScenario(scenario()), lambda inner, clock: Disagreeing(inner))
        self.assertRaises(Mismatch, player.play)

    def test_unsupportedFeaturesAreReported(self) -> None:
        """
        Unsupported features are never skipped silently.
        """
        for text in (
            scenario(match="all server_cookie"),
            scenario().replace("TIME_PASSES ELAPSE", "TIME_PASSES EVAL"),
            scenario().replace("STEP 3 TIME_PASSES", "STEP 3 ASSIGN"),
            scenario().replace("copy_query", "sleep"),
            scenario().replace("MATCH opcode", "MATCH ednsdata"),
            scenario().replace("REPLY RD DO", "REPLY NOTIFY"),
        ):
            self.assertRaises(Unsupported, lambda text: Player(parseScenario(text), unchanged).play(), text)


#: Files that violate the format, and how.
ODD: Final = {
    "iter_ns.rpl": "ends without SCENARIO_END",
    "axfr_large_out.rpl": "$ORIGIN within a section",
    "auth_zones.rpl": "a record that is cut off",
}


@pytest.mark.parametrize("name", ["nlnet-domain", "deckard"])
def test_everyFileCanBeRead(name: str) -> None:
    """
    All scenarios of the corpora can be read, with their records.
    """
    count = 0
    for path in sorted(corpus(name).rglob("*.rpl")):
        if path.name in ODD:
            continue
        read = readScenario(path)
        entries = [entry for each in read.ranges for entry in each.entries]
        entries += [step.entry for step in read.steps if step.entry is not None]
        for entry in entries:
            for section in ("ANSWER", "AUTHORITY", "ADDITIONAL"):
                entry.records(section)
        count += 1
    assert count > 100
