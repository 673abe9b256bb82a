"""
Tests of the player of scenarios: it accepts the right answers, and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from twisted_ext.answers import Answer, QueryContext, Question
from twisted_ext.errors import ServerFailed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.scenarios.configuration import Configuration
from twisted_ext.testing.scenarios.matching import Query, queryMatches
from twisted_ext.testing.scenarios.player import FORWARDER, Build, Mismatch, Player, Unsupported
from twisted_ext.testing.scenarios.reading import BadScenario, parseScenario, readScenario
from twisted_ext.testing.sources import CannedSource, HeldSource
from twisted_ext.wire.codes import CD, DO, RD, Opcode
from twisted_ext.wire.message import EDNS

TEXT: Final = """
stub-addr: {server}
val-override-date: "20181130121750"
{config}
CONFIG_END
SCENARIO_BEGIN A forwarder and its client.
RANGE_BEGIN 0 9
{address}
ENTRY_BEGIN
{mandatory}
MATCH {asked}
ADJUST {adjust}
REPLY {sent}
SECTION QUESTION
www.example. IN A
SECTION ANSWER
www.example. 60 IN A 192.0.2.80
www.example. 60 IN A 192.0.2.81
{raw}
ENTRY_END
RANGE_END
STEP 1 QUERY
ENTRY_BEGIN
REPLY {query}
SECTION QUESTION
{question}
ENTRY_END
{steps}
STEP 8 CHECK_ANSWER
ENTRY_BEGIN
MATCH {match}
REPLY {reply}
SECTION QUESTION
www.example. IN A
SECTION ANSWER
{answer}
{rest}
ENTRY_END
SCENARIO_END
"""

_ANSWER: Final = "www.example. 60 IN A 192.0.2.81\nWWW.example. 60 IN A 192.0.2.80"

#: What each field of the text is unless a test sets it.
_DEFAULTS: Final = {
    "server": "192.0.2.53",
    "config": "",
    "address": "ADDRESS 192.0.2.53",
    "mandatory": "",
    "asked": "opcode qname qtype",
    "adjust": "copy_id",
    "sent": "QR RD RA NOERROR",
    "raw": "",
    "query": "RD",
    "question": "www.example. IN A",
    "steps": "",
    "match": "all",
    "reply": "QR RD RA NOERROR",
    "answer": _ANSWER,
    "rest": "",
}

Today = Callable[[], float]


def forwarding(reactor: MemoryReactor, configuration: Configuration, today: Today) -> IAnswerSource:
    """
    Make a resolver that forwards everything to the forwarder, or the root server, of the scenario.
    """
    (address, *_) = configuration.forwarders.get(".") or configuration.rootAddresses
    return sourceFromString(reactor, f"udp:[{address}]" if ":" in address else f"udp:{address}")


def caching(reactor: MemoryReactor, configuration: Configuration, today: Today) -> IAnswerSource:
    """
    Make a resolver that forwards everything and has a cache.
    """
    return CachedSource(forwarding(reactor, configuration, today), reactor, today=today)


def canned(reactor: MemoryReactor, configuration: Configuration, today: Today) -> IAnswerSource:
    """
    Make a resolver with one answer.
    """
    return CannedSource({("www.example", "A"): ["192.0.2.80", "192.0.2.81"]})


def textWith(**fields: str) -> str:
    return TEXT.format(**{**_DEFAULTS, **fields})


def player(build: Build = forwarding, /, **fields: str) -> Player:
    return Player(parseScenario(textWith(**fields)), build)


class AnswerTests(SynchronousTestCase):
    """
    Tests for L{Player} and the answers to clients.
    """

    def test_rightAnswerPasses(self) -> None:
        """
        A resolver with the right answer passes, whatever its order, case and TTL are.
        """
        player().play()
        player(canned).play()
        player(answer=_ANSWER.replace(" 60 ", " 59 ")).play()

    def test_everyDifferenceFails(self) -> None:
        """
        Each part that MATCH names fails if it differs, and only then.
        """
        for fields in (
            {"answer": "www.example. IN A 192.0.2.80", "match": "answer"},
            {"answer": _ANSWER + "\nwww.example. IN A 192.0.2.82", "match": "answer"},
            {"answer": _ANSWER.replace("www.example.", "example."), "match": "answer"},
            {"answer": _ANSWER.replace(" 60 ", " 59 "), "match": "answer ttl"},
            {"rest": "SECTION AUTHORITY\nexample. IN NS ns.example.", "match": "authority"},
            {"rest": "SECTION ADDITIONAL\nns.example. IN A 192.0.2.1", "match": "additional"},
            {"reply": "QR RD RA NXDOMAIN", "match": "rcode"},
            {"reply": "QR RD RA AD NOERROR", "match": "flags"},
            {"reply": "QR RD NOERROR", "match": "flags"},
            {"reply": "QR AA RD RA NOERROR", "match": "flags"},
            {"reply": "QR RD RA NOTIFY", "match": "opcode"},
            {"reply": "DO", "match": "edns"},
            {"match": "AD"},
            {"match": "DO"},
            {"match": "ede=9"},
            {"match": "ede=any"},
        ):
            self.assertRaises(Mismatch, player(**fields).play)
            if set(fields) - {"match"} and fields["match"] != "answer ttl":
                player(**{**fields, "match": "qname qtype"}).play()

    def test_duplicateRecordsFail(self) -> None:
        """
        Records are compared as often as they occur.
        """
        twice = _ANSWER + "\nwww.example. 60 IN A 192.0.2.81"
        error = self.assertRaises(Mismatch, player(answer=twice).play)
        self.assertIn("answer: missing: www.example. IN A 192.0.2.81", str(error))

    def test_mismatchShowsBothSides(self) -> None:
        """
        The error names the step and the difference, and has both messages and the queries to the servers as text.
        """
        error = str(self.assertRaises(Mismatch, player(reply="QR RD RA AD NOERROR", answer="www.example. 60 IN A 192.0.2.82").play))
        self.assertIn("step 8 CHECK_ANSWER (line 29): answer: not expected: www.example. IN A 192.0.2.80", error)
        self.assertIn("flags QR RD RA, expected QR RD RA AD", error)
        expected, received = error.split("-- received")
        self.assertIn("REPLY QR RD RA AD NOERROR\nSECTION QUESTION\nwww.example. IN A", expected)
        self.assertIn("www.example.\t60\tIN\tA\t192.0.2.82", expected)
        self.assertIn("www.example.\t60\tIN\tA\t192.0.2.81", received)
        self.assertIn("step 1: www.example. IN A to 192.0.2.53 over UDP: entry of line 9", received)

    def test_questionIsCompared(self) -> None:
        """
        A reply to another question fails.
        """
        self.assertIn("qname of example.", str(self.assertRaises(Mismatch, player(question="example. IN A", match="qname").play)))
        player(question="WWW.example. IN A", match="question").play()
        self.assertRaises(Mismatch, player(question="WWW.example. IN A", match="qcase").play)

    def test_flagsOfQueryAreSent(self) -> None:
        """
        The query has the flags of its entry.
        """
        played = player(query="RD CD DO", reply="QR RD RA CD NOERROR", match="flags DO CD")
        played.play()
        (query,) = played.network.queries
        self.assertEqual(query.message.flags & (RD | CD), RD | CD)
        self.assertEqual((query.message.edns or EDNS()).flags, DO)

    def test_serverDecidesAboutTheHeader(self) -> None:
        """
        The flags of the reply are those of a server, whatever the upstream server has set.
        """
        player(sent="QR AA RD AD NOERROR").play()
        player(query="", reply="QR RA REFUSED", match="flags rcode").play()

    def test_missingAnswerFails(self) -> None:
        """
        A resolver that does not answer fails after the time that the player allows for, as does a query that gets no reply.
        """
        for played in (player(lambda *_: HeldSource()), player(query="QR RD")):
            self.assertIn("no reply within 30 seconds", str(self.assertRaises(Mismatch, played.play)))

    def test_passedOverStepsAreNotCompared(self) -> None:
        """
        Steps that are exempt and kinds of steps that are ignored are passed over; the others are compared.
        """
        wrong = parseScenario(textWith(steps="STEP 5 CHECK_ANSWER\nENTRY_BEGIN\nMATCH rcode\nREPLY REFUSED\nENTRY_END"))
        self.assertRaises(Mismatch, Player(wrong, forwarding).play)
        Player(wrong, forwarding, exempt=(5,)).play()
        sent = parseScenario(textWith(steps="STEP 5 CHECK_OUT_QUERY\nENTRY_BEGIN\nMATCH TCP\nENTRY_END"))
        self.assertRaises(Mismatch, Player(sent, forwarding).play)
        Player(sent, forwarding, ignored=("CHECK_OUT_QUERY",)).play()

    def test_truncatedReplyIsAskedForByTCP(self) -> None:
        """
        A truncated reply is asked for again over TCP, unless the scenario expects it to be truncated.
        """
        for flags, answer in (("QR RD RA", 10), ("QR TC RD RA", 0)):
            played = Player(parseScenario(_LARGE.format(flags=flags)), forwarding)
            played.play()
            self.assertEqual(len(played.replies[1].answer), answer and 1)


#: A scenario whose answer is too large for a datagram.
_LARGE: Final = """
stub-addr: 192.0.2.53
CONFIG_END
SCENARIO_BEGIN A large answer.
RANGE_BEGIN 0 9
ADDRESS 192.0.2.53
ENTRY_BEGIN
MATCH qname
ADJUST copy_id copy_query
REPLY QR RD RA
SECTION QUESTION
www.example. IN TXT
SECTION ANSWER
""" + "".join([f"www.example. IN TXT {number}{'x' * 200}\n" for number in range(10)]) + """
ENTRY_END
RANGE_END
STEP 1 QUERY
ENTRY_BEGIN
REPLY RD
SECTION QUESTION
www.example. IN TXT
ENTRY_END
STEP 2 CHECK_ANSWER
ENTRY_BEGIN
MATCH flags rcode
REPLY {flags}
ENTRY_END
SCENARIO_END
"""


class ServerTests(SynchronousTestCase):
    """
    Tests for the servers of a scenario.
    """

    def failing(self, build: Build = forwarding, **fields: str) -> tuple[str, Player]:
        """
        Play a scenario that fails, and return the error.
        """
        played = player(build, **fields)
        return str(self.assertRaises(Mismatch, played.play)), played

    def test_questionWithoutEntryFails(self) -> None:
        """
        A server that has no entry for a query sends SERVFAIL, and the error of the scenario says so.
        """
        error, _ = self.failing(asked="qname qtype RD CD")
        self.assertIn("rcode SERVFAIL, expected NOERROR", error)
        self.assertIn("to 192.0.2.53 over UDP: no entry", error)

    def test_wordsOfMatchSelectTheEntry(self) -> None:
        """
        An entry is for queries that have everything that its MATCH names.
        """
        for asked in ("subdomain", "question", "qcase", "UDP", "DO", "opcode RD"):
            player(asked=asked, query="RD DO").play()
        for asked in ("TCP", "CD", "AD", "flags"):
            self.failing(asked=asked, query="RD DO", sent="QR")

    def test_opcodeSelectsTheEntry(self) -> None:
        """
        An entry is for queries of its opcode.
        """
        (entry, *_) = parseScenario(textWith(asked="opcode", sent="QR")).entries()
        self.assertTrue(queryMatches(entry, Query(entry.question)))
        self.assertFalse(queryMatches(entry, Query(entry.question, Opcode.NOTIFY << 11)))

    def test_stepSelectsTheRange(self) -> None:
        """
        A range applies to its steps only.
        """
        text = textWith().replace("RANGE_BEGIN 0 9", "RANGE_BEGIN 2 9")
        self.assertRaises(Mismatch, Player(parseScenario(text), forwarding).play)

    def test_addressSelectsTheRange(self) -> None:
        """
        A range applies to its addresses only, those behind its numbers included; one without addresses applies to all.
        """
        player(address="ADDRESS 192.0.2.54\nADDRESS 192.0.2.53").play()
        player(address="").play()
        self.failing(address="ADDRESS 192.0.2.54")
        for address, passes in (("192.0.2.53", True), ("192.0.2.54", False)):
            played = Player(parseScenario(textWith(address="").replace("RANGE_BEGIN 0 9", f"RANGE_BEGIN 0 9 {address}")), forwarding)
            if passes:
                played.play()
            else:
                self.assertRaises(Mismatch, played.play)

    def test_serversHaveRepliesOfTheirOwn(self) -> None:
        """
        Of two servers, each has the replies of its own range.
        """
        other = textWith(address="ADDRESS 192.0.2.99")
        wrong = other[other.index("RANGE_BEGIN") : other.index("STEP 1")].replace("192.0.2.8", "192.0.2.9")
        Player(parseScenario(textWith().replace("RANGE_BEGIN", wrong + "RANGE_BEGIN")), forwarding).play()

    def test_addressWithoutServerIsSilentOrRefuses(self) -> None:
        """
        An address without a server is silent, which takes time, or refuses packets.
        """
        scenario = parseScenario(textWith(address="ADDRESS 192.0.2.54"))
        silent, refusing = Player(scenario, forwarding), Player(scenario, forwarding, refusing=True)
        self.assertRaises(Mismatch, silent.play)
        self.assertRaises(Mismatch, refusing.play)
        self.assertGreater(silent.today(), refusing.today() + 2)

    def test_serversOfBothFamiliesAndOnLoopbackAreReachable(self) -> None:
        """
        Servers have addresses of either family, and loopback addresses.
        """
        for server in ("2001:db8::53", "127.0.0.1", "127.0.0.10", "::1"):
            player(server=server, address=f"ADDRESS {server}").play()

    def test_hostsHaveTheFamiliesOfTheConfiguration(self) -> None:
        """
        The resolver's host has no address of a family that the configuration turns off.
        """
        for config, families in (("", [4, 6]), ("do-ip6: no", [4]), ("do-ip4: no", [6])):
            played = player(canned, config=config)
            assert played.network.resolver is not None
            self.assertEqual([6 if ":" in address else 4 for address in played.network.resolver.addresses], families)
            played.play()
        self.failing(server="2001:db8::53", address="ADDRESS 2001:db8::53", config="do-ip6: no")
        self.assertRaises(BadScenario, player, config="do-ip6: no\ndo-ip4: no")

    def test_replyIsAdjusted(self) -> None:
        """
        A reply without copy_id has a wrong id, one with do_not_answer is not sent, one with sleep comes later.
        """
        self.failing(adjust="copy_query")
        self.failing(adjust="copy_id do_not_answer")
        late = player(adjust="copy_id sleep=1")
        late.play()
        early = player()
        early.play()
        self.assertAlmostEqual(late.today() - early.today(), 1.0, places=2)

    def test_questionIsCopied(self) -> None:
        """
        C{copy_id} copies the name of the question, C{copy_query} the type too; without them, the question is that of the entry.
        """
        for adjust, question, passes in (
            ("copy_id", "a.www.example. IN A", True),
            ("copy_id", "a.www.example. IN TXT", False),
            ("copy_id copy_query", "a.www.example. IN TXT", True),
        ):
            played = player(asked="subdomain", adjust=adjust, question=question, match="rcode")
            if passes:
                played.play()
            else:
                self.assertRaises(Mismatch, played.play)

    def test_rawReplyIsSent(self) -> None:
        """
        The octets of RAW are the reply, with the id of the query if the entry wants that.
        """
        reply = "0000" + "8180000100010000000003777777076578616d706c650000010001c00c000100010000003c0004c0000253"
        text = textWith(raw=f"RAW\n{reply}", adjust="{}", answer="www.example. IN A 192.0.2.83")
        for adjust, passes in (("raw_id", True), ("copy_id", True), ("copy_query", False)):
            played = Player(parseScenario(text.format(adjust)), forwarding)
            if passes:
                played.play()
            else:
                self.assertRaises(Mismatch, played.play)

    def test_replyToEDNSHasAnOPTRecord(self) -> None:
        """
        The OPT record of a reply is like that of the query, although the entry does not have one.
        """
        played = player(query="RD DO")
        played.play()
        (reply,) = [each for each in played.network.datagrams if each.source == ("192.0.2.53", 53)]
        self.assertTrue(reply.octets.endswith(EDNS(4096, DO).toWire()))

    def test_oneTimeRepliesAreGivenInOrder(self) -> None:
        """
        The replies of later steps are given once each, in the order of the steps.
        """
        entry = "ENTRY_BEGIN\nMATCH qname\nADJUST copy_id\nREPLY QR\nSECTION QUESTION\nwww.example. IN A\nSECTION ANSWER\n{}\nENTRY_END"
        ask = "ENTRY_BEGIN\nREPLY RD\nSECTION QUESTION\nwww.example. IN A\nENTRY_END"
        check = "ENTRY_BEGIN\nMATCH answer\nSECTION ANSWER\n{}\nENTRY_END"
        first, second = "www.example. IN A 192.0.2.1", "www.example. IN A 192.0.2.2"
        steps = (
            f"STEP 1 QUERY\n{ask}\nSTEP 2 REPLY\n{entry.format(first)}\nSTEP 3 REPLY\n{entry.format(second)}\n"
            f"STEP 4 CHECK_ANSWER\n{check.format(first)}\n"
        )
        text = f"stub-addr: 192.0.2.53\nCONFIG_END\nSCENARIO_BEGIN\n{steps}SCENARIO_END\n"
        Player(parseScenario(text), forwarding).play()
        later = text.replace("SCENARIO_END\n", "") + f"STEP {{}} QUERY\n{ask}\nSTEP 9 CHECK_ANSWER\n{check.format(second)}\nSCENARIO_END\n"
        late = later.format(5)
        self.assertIn("no entry", str(self.assertRaises(Mismatch, Player(parseScenario(late), forwarding).play)))
        Player(parseScenario(late.replace("STEP 3 REPLY", "STEP 6 REPLY")), forwarding).play()
        both = f"STEP 0 QUERY\n{ask}\n{steps.replace(check.format(first), check.format(second))}"
        Player(parseScenario(f"stub-addr: 192.0.2.53\nCONFIG_END\nSCENARIO_BEGIN\n{both}SCENARIO_END\n"), forwarding).play()

    def test_mandatoryEntryHasToBeUsed(self) -> None:
        """
        A scenario fails if no query came for an entry that is mandatory.
        """
        player(mandatory="MANDATORY").play()
        self.assertIn("mandatory entry of line 9", self.failing(canned, mandatory="MANDATORY")[0])

    def test_queryIsChecked(self) -> None:
        """
        CHECK_OUT_QUERY passes once for each matching query that was sent since the last query of a client.
        """
        check = "ENTRY_BEGIN\nMATCH qname qtype\nREPLY QR\nSECTION QUESTION\nwww.example. IN A\nENTRY_END\n"
        player(steps=f"STEP 5 CHECK_OUT_QUERY\n{check}").play()
        for steps in (
            f"STEP 5 CHECK_OUT_QUERY\n{check}STEP 6 CHECK_OUT_QUERY\n{check}",
            f"STEP 5 CHECK_OUT_QUERY\n{check.replace('IN A', 'IN AAAA')}",
        ):
            self.assertIn("no such query was sent", self.failing(steps=steps)[0])
        # The second query is answered from the cache.
        again = f"STEP 5 QUERY\nENTRY_BEGIN\nREPLY RD\nSECTION QUESTION\nwww.example. IN A\nENTRY_END\nSTEP 6 CHECK_OUT_QUERY\n{check}"
        player(steps=again).play()
        self.assertIn("no such query was sent", self.failing(caching, steps=again)[0])


class ScenarioTests(SynchronousTestCase):
    """
    Tests for L{Player} and the scenario as a whole.
    """

    def test_scenarioThatChecksNothingIsRefused(self) -> None:
        """
        A scenario without a check is refused, as is one whose checks are all passed over.
        """
        text = textWith()
        nothing = text[: text.index("STEP 8")] + "SCENARIO_END\n"
        self.assertRaises(Unsupported, Player, parseScenario(nothing), forwarding)
        self.assertRaises(Unsupported, Player, parseScenario(text), forwarding, exempt=(8,))
        self.assertRaises(Unsupported, Player, parseScenario(text), forwarding, ignored=("CHECK_ANSWER",))

    def test_stepsToPassOverHaveToBeChecks(self) -> None:
        """
        A step that is exempt has to be one that checks something, so that a mistake in its number is noticed.
        """
        error = self.assertRaises(Unsupported, Player, parseScenario(textWith()), forwarding, exempt=(1, 7))
        self.assertIn("steps 1, 7", str(error))

    def test_unsupportedWordsAreReported(self) -> None:
        """
        Words that the player does not support are reported before anything is played, even in entries that are never used.
        """
        unused = "RANGE_END\nRANGE_BEGIN 900 901\nENTRY_BEGIN\nMATCH {}\nADJUST {}\nREPLY {}\nENTRY_END\nRANGE_END"
        for match, adjust, reply, said in (
            ("server_cookie", "copy_id", "QR", "MATCH server_cookie (line 23)"),
            ("ttl", "copy_id", "QR", "MATCH ttl (line 23)"),
            ("qname", "copy_ednsdata_assume_clientsubnet", "QR", "ADJUST copy_ednsdata_assume_clientsubnet"),
            ("qname", "sleep", "QR", "ADJUST sleep"),
            ("qname", "copy_id", "QQ", "REPLY QQ"),
        ):
            text = textWith().replace("RANGE_END", unused.format(match, adjust, reply), 1)
            self.assertIn(said, str(self.assertRaises(Unsupported, Player, parseScenario(text), forwarding)))
        for steps in ("STEP 2 TIMEOUT", "STEP 2 ASSIGN a = 1", "STEP 2 CHECK_AUTOTRUST example."):
            self.assertRaises(Unsupported, player, steps=steps)
        self.assertRaises(Unsupported, player, match="all server_cookie")

    def test_computedTimesAreReported(self) -> None:
        """
        A computed time is not supported.
        """
        self.assertRaises(Unsupported, player(steps="STEP 2 TIME_PASSES EVAL ${1 + 1}").play)

    def test_invalidRecordsAreFoundBeforePlaying(self) -> None:
        """
        A record that is not valid is reported with its line before anything is played.
        """
        error = self.assertRaises(BadScenario, player, answer="www.example. IN A 192.0.2")
        self.assertIn("line 36: ", str(error))

    def test_timePasses(self) -> None:
        """
        The clock begins at the date of the configuration and goes on with the steps; a cache notices.
        """
        dates: list[Today] = []

        def noting(reactor: MemoryReactor, configuration: Configuration, today: Today) -> IAnswerSource:
            dates.append(today)
            return caching(reactor, configuration, today)

        again = "ENTRY_BEGIN\nREPLY RD\nSECTION QUESTION\nwww.example. IN A\nENTRY_END\n"
        for seconds, queries in ((50, 1), (70, 2)):
            played = player(noting, steps=f"STEP 2 TIME_PASSES ELAPSE {seconds}\nSTEP 3 QUERY\n{again}")
            self.assertEqual(dates[-1](), 1543580270.0)
            played.play()
            self.assertEqual(len(played.network.queries), queries)
            self.assertGreaterEqual(dates[-1](), 1543580270.0 + seconds)
        self.assertEqual(player(config="val-override-timestamp: 5").today(), 5)

    def test_rawQueriesDoNoHarm(self) -> None:
        """
        Octets that are not a message are sent as they are; what is checked is the next query's answer.
        """
        raw = "STEP {} QUERY\nENTRY_BEGIN\nRAW\n{}\nENTRY_END\n"
        text = textWith().replace("STEP 1 QUERY", raw.format(0, "00ff") + raw.format(1, "00" * 12) + "STEP 2 QUERY")
        Player(parseScenario(text), forwarding).play()

    def test_clientsHaveAddresses(self) -> None:
        """
        A query comes from the address that its step has.
        """
        played = Player(parseScenario(textWith().replace("STEP 1 QUERY", "STEP 1 QUERY ADDRESS 198.18.0.7")), forwarding)
        played.play()
        self.assertEqual(played.network.datagrams[0].source[0], "198.18.0.7")

    def test_errorsOfTheResolverAreRaised(self) -> None:
        """
        An exception that is not a fault is raised, even if the scenario expects SERVFAIL, which the client gets.
        """

        class Broken(CannedSource):
            def ask(self, question: Question, context: QueryContext) -> Answer:
                raise ZeroDivisionError

        expected = {"reply": "QR RD RA SERVFAIL", "answer": ""}
        self.assertRaises(ZeroDivisionError, player(lambda *_: Broken({}), **expected).play)
        player(lambda *_: CannedSource({}, ServerFailed("broken")), **expected).play()

    def test_clientsUseTheTransportOfTheirQuery(self) -> None:
        """
        A query is sent over TCP if its MATCH says so.
        """
        for match, connections in (("TCP", 1), ("UDP", 0)):
            played = Player(parseScenario(textWith().replace("REPLY RD\n", f"MATCH {match}\nREPLY RD\n")), canned)
            played.play()
            self.assertEqual(played.network.dialed.total(), connections)

    def test_leaksAreFound(self) -> None:
        """
        A resolver that leaves something open fails.
        """

        def leaking(reactor: MemoryReactor, configuration: Configuration, today: Today) -> IAnswerSource:
            reactor.callLater(1e6, lambda: None)
            return canned(reactor, configuration, today)

        self.assertIn("still has open", str(self.assertRaises(Mismatch, player(leaking).play)))


class StellineTests(SynchronousTestCase):
    """
    Tests for L{Player} with scenarios of Stelline.
    """

    def test_lastReplyOfTheForwarderCounts(self) -> None:
        """
        All ranges are replies of one forwarder, and the last one that matches counts.
        """
        other = textWith(address="ADDRESS 192.0.2.99")
        wrong = other[other.index("RANGE_BEGIN") : other.index("STEP 1")].replace("192.0.2.8", "192.0.2.9")
        text = textWith().replace("RANGE_BEGIN", wrong + "RANGE_BEGIN")
        text = text.replace("stub-addr", "do-ip4: no\nstub-addr")
        seen: list[Configuration] = []

        def noting(reactor: MemoryReactor, configuration: Configuration, today: Today) -> IAnswerSource:
            seen.append(configuration)
            return forwarding(reactor, configuration, today)

        scenario = parseScenario(text)
        played = Player(scenario, noting, stelline=True)
        played.play()
        self.assertEqual((seen[0].forwarders, seen[0].hints), ({".": [FORWARDER]}, {}))
        self.assertEqual([query.address for query in played.network.queries], [FORWARDER])
        # The scenario itself is unchanged.
        self.assertEqual((scenario.configuration.rootAddresses, scenario.configuration.ipv4), (["192.0.2.53"], False))

    def test_wholeMessagesArePassedOn(self) -> None:
        """
        All sections are compared as the forwarder has sent them, and its own flags do not count.
        """
        rest = "SECTION AUTHORITY\nexample. IN NS ns.example."
        text = textWith(raw=rest, rest=rest, reply="QR AA NOERROR", sent="QR AA NOERROR")
        Player(parseScenario(text), forwarding, stelline=True).play()
        self.assertRaises(Mismatch, Player(parseScenario(text), forwarding).play)

    def test_securityIsCompared(self) -> None:
        """
        A forwarder is enough for an insecure answer of the corpus; where AD is expected, it fails.
        """
        folder = corpus("nlnet-domain/test-data/validator")
        for name in ("val_unsecds", "val_adcopy", "val_unalgo_ds"):
            Player(readScenario(folder / f"{name}.rpl"), forwarding, stelline=True).play()
        played = Player(readScenario(folder / "val_adbit.rpl"), forwarding, stelline=True)
        self.assertIn("flags QR, expected QR AD", str(self.assertRaises(Mismatch, played.play)))
