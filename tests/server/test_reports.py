"""
Tests of error reporting (RFC 9567) by a server, as resolver and as authority.
"""

from __future__ import annotations

from tests.queries import optOf, queryOf
from tests.server.sources.test_recursor import RecursingCase
from tests.zone.plain import HEAD, answer, versionOf
from twisted_ext.answers import Security
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.requests import Request
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import isBelow, nameFromText, nameToText

AGENT = nameFromText("agent.good.example")


class ReportTests(RecursingCase):
    """
    Tests for the setting C{error-reports}.
    """

    def setUp(self) -> None:
        super().setUp()
        for zone in ("bad.example", "plain.example"):
            for server in self.internet.zones[nameFromText(zone)].servers:
                server.agent = AGENT

    def reports(self) -> list[str]:
        """
        Return the names of the reports that arrived.
        """
        names = [each.query.questions[0] for each in self.internet.exchanges]
        return sorted({nameToText(each.name) for each in names if isBelow(each.key[:-4], AGENT) and each.name.startswith(b"\x03_er")})

    def test_bogusNameIsReported(self) -> None:
        """
        A name that fails validation is reported once to the agent that its zone's servers name.
        """
        stack = self.stack(errorReports=True)
        for _ in range(2):
            self.assertIs(self.security(stack, "www.bad.example"), Security.BOGUS)
            self.internet.advance(60)
        self.assertEqual(self.reports(), ["_er.1.www.bad.example.7._er.agent.good.example."])

    def test_answersAreNotReported(self) -> None:
        """
        What succeeds is not reported.
        """
        stack = self.stack(errorReports=True)
        self.assertIs(self.security(stack, "www.plain.example"), Security.INSECURE)
        self.internet.advance(5)
        self.assertEqual(self.reports(), [])

    def test_offByDefault(self) -> None:
        """
        Without the setting there are no reports.
        """
        stack = self.stack()
        self.assertIs(self.security(stack, "www.bad.example"), Security.BOGUS)
        self.internet.advance(5)
        self.assertEqual(self.reports(), [])

    def test_reportsEndWithTheServer(self) -> None:
        """
        Reports that are under way when the server stops are given up.
        """
        for server in self.internet.zones[nameFromText("good.example")].servers:
            self.internet.link(nameToText(server.name), silent=True)
        stack = self.stack(errorReports=True)
        self.assertIs(self.security(stack, "www.bad.example"), Security.BOGUS)
        self.successResultOf(stack.close())
        self.internet.advance(20)


class AgentTests(RecursingCase):
    """
    Tests for the setting C{report-agent}.
    """

    def option(self, name: str, *, opt: bytes = b"", agent: str = "agent.example.net") -> bytes | None:
        """
        Return the content of the option in the reply of an authority.
        """
        builder = ReplyBuilder.of(Settings.of(role="serve", reportAgent=agent))
        request = Request.fromWire(queryOf(name, opt=opt), ("127.0.0.1", 53535), "udp")
        assert request is not None
        read = Message.fromWire(builder.answer(request, answer(versionOf(HEAD), request.question)).octets).check()
        return None if read.edns is None else read.edns.option(18)

    def test_repliesNameTheAgent(self) -> None:
        """
        Replies from zones name the agent to clients with EDNS, unless they are about the agent's own names.
        """
        self.assertEqual(self.option("www.example", opt=optOf()), nameFromText("agent.example.net"))
        self.assertIsNone(self.option("www.example"))
        self.assertIsNone(self.option("www.example", opt=optOf(), agent=""))
        self.assertIsNone(self.option("www.example", opt=optOf(), agent="example"))
