"""
Tests of C{txdns query +trace} and C{+nssearch} on a memory network.
"""

from __future__ import annotations

import io
import re
import sys

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import SynchronousTestCase

from tests.queries import parseQuery
from tests.zone.changing import record
from twisted_ext.apps.cli.query.direct import DirectSource
from twisted_ext.apps.cli.query.trace import ROOT_SERVERS, showServers, showTrace
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK
from twisted_ext.apps.cli.terminal.upstream import CommandUpstream
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, QR, Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

#: Replies of a server: lines of the answer, authority and additional sections, by question.
Known = dict[str, tuple[list[str], list[str], list[str]]]

FIRST = ROOT_SERVERS[0]


class _Server(DatagramProtocol):
    def __init__(self, known: Known) -> None:
        self.asked: list[str] = []
        self._known = known

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        query = Message.fromWire(datagram).check()
        (question,) = query.questions
        asked = f"{nameToText(question.name)} {typeName(question.rrType)}"
        self.asked.append(asked)
        found = self._known.get(asked) or self._known.get("*")
        flags = QR | query.flags & 0x0100
        if found is None:
            message = Message(query.id, flags | Rcode.REFUSED, query.questions)
        else:
            answer, authority, additional = (tuple([record(line) for line in lines]) for lines in found)
            message = Message(query.id, flags | (AA if answer else 0), query.questions, answer, authority, additional)
        assert self.transport is not None
        self.transport.write(buildMessage(message), (addr[0], addr[1]))


class TracingTests(SynchronousTestCase):
    """
    Tests for L{showTrace} and L{showServers}.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        self.output, self.errors = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", self.output)
        self.patch(sys, "stderr", self.errors)

    def server(self, address: str, known: Known) -> _Server:
        """
        Start a server with these records.
        """
        made = _Server(known)
        self.network.reactor(address).listenUDP(53, made)
        return made

    def run_(self, words: str) -> int:
        """
        Run the command and return its exit code.
        """
        options = parseQuery(f"{words} @192.0.2.53 +tries=1 +time=1".split())
        servers = [Server("192.0.2.53")]
        upstream = CommandUpstream(ForwardingSource(self.here, servers))
        direct = DirectSource(self.here, servers, options)
        show = showTrace if options.flags["trace"] else showServers
        done = Deferred.fromCoroutine(show(self.here, upstream, direct, options))
        for _ in range(400):
            self.network.advance(0.1)
        code = self.successResultOf(done)
        self.successResultOf(upstream.source.close())
        return code

    def steps(self) -> list[str]:
        """
        Return the servers that replied, in order.
        """
        return re.findall(r"Received \d+ bytes from (\S+)#53\(", self.output.getvalue())

    def test_builtInRootServersAsFallback(self) -> None:
        """
        The built-in root servers are used, with a message, if no server lists the root's.
        """
        self.server(FIRST, {"*": ([], ["org. 60 NS ns.org."], ["ns.org. 60 A 192.0.2.61"])})
        self.server("192.0.2.61", {"www.example.org. A": (["www.example.org. 60 A 192.0.2.80"], [], [])})
        self.assertEqual(self.run_("www.example.org +trace"), OK)
        self.assertEqual(self.steps(), [FIRST, "192.0.2.61"])
        self.assertIn("; using the built-in addresses of the root servers\n", self.errors.getvalue())
        self.assertIn("192.0.2.80", self.output.getvalue())

    def test_refusalUsesBuiltInRootServers(self) -> None:
        """
        The built-in root servers are used if the server refuses.
        """
        self.server("192.0.2.53", {})
        self.server(FIRST, {"*": (["www.example.org. 60 A 192.0.2.80"], [], [])})
        self.assertEqual(self.run_("www.example.org +trace +short"), OK)
        self.assertEqual(self.output.getvalue(), "192.0.2.80\n")

    def test_missingGlueIsLookedUp(self) -> None:
        """
        The address of a server without glue is looked up at the given server; queries below the root are not recursive.
        """
        start = self.server(
            "192.0.2.53",
            {
                ". NS": ([". 60 NS a.root."], [], ["a.root. 60 A 192.0.2.60"]),
                "ns.example.net. A": (["ns.example.net. 60 A 192.0.2.61"], [], []),
            },
        )
        self.server("192.0.2.60", {"*": ([], ["example.org. 60 NS ns.example.net."], [])})
        self.server("192.0.2.61", {"*": (["www.example.org. 60 A 192.0.2.80"], [], [])})
        self.assertEqual(self.run_("www.example.org +trace"), OK)
        self.assertEqual(self.steps(), ["192.0.2.53", "192.0.2.60", "192.0.2.61"])
        self.assertEqual(start.asked[:2], [". NS", "ns.example.net. A"])

    def test_sidewaysReferralEndsTheTrace(self) -> None:
        """
        A referral that leads no further down ends the trace, so that two servers cannot refer to each other forever.
        """
        self.server("192.0.2.53", {". NS": ([". 60 NS a.root."], [], ["a.root. 60 A 192.0.2.60"])})
        self.server("192.0.2.60", {"*": ([], ["org. 60 NS ns.org."], ["ns.org. 60 A 192.0.2.61"])})
        self.server("192.0.2.61", {"*": ([], ["org. 60 NS ns.org."], ["ns.org. 60 A 192.0.2.60"])})
        self.assertEqual(self.run_("www.example.org +trace"), OK)
        self.assertEqual(self.steps(), ["192.0.2.53", "192.0.2.60", "192.0.2.61"])
        self.assertIn("192.0.2.61:53 refers to org., which is not below its zone", self.errors.getvalue())

    def test_unreachableZoneEndsTheTrace(self) -> None:
        """
        A zone whose servers have no known address ends the trace without a reply.
        """
        self.server("192.0.2.53", {". NS": ([". 60 NS a.root."], [], ["a.root. 60 A 192.0.2.60"])})
        self.server("192.0.2.60", {"*": ([], ["org. 60 NS ns.org."], [])})
        self.assertEqual(self.run_("www.example.org +trace"), NO_REPLY)
        self.assertIn("no address found for any server of org.", self.errors.getvalue())

    def test_nssearchShowsEachServer(self) -> None:
        """
        C{+nssearch} shows the SOA record or the rcode of each server and names silent ones.
        """
        known: Known = {"example.org. NS": ([f"example.org. 60 NS ns{number}.example.org." for number in (1, 2, 3)], [], [])}
        for number in (1, 2, 3):
            known[f"ns{number}.example.org. A"] = ([f"ns{number}.example.org. 60 A 192.0.2.{60 + number}"], [], [])
            known[f"ns{number}.example.org. AAAA"] = ([], [], [])
        self.server("192.0.2.53", known)
        soa = "example.org. 60 SOA ns1.example.org. mail.example.org. 7 1 2 3 4"
        self.server("192.0.2.61", {"*": ([soa], [], [])})
        self.server("192.0.2.62", {})
        self.assertEqual(self.run_("example.org +nssearch"), OK)
        first, second = self.output.getvalue().splitlines()
        self.assertTrue(first.startswith("SOA ns1.example.org. mail.example.org. 7 1 2 3 4 from server 192.0.2.61 in "), first)
        self.assertTrue(second.startswith("REFUSED from server 192.0.2.62 in "), second)
        self.assertIn("192.0.2.63:53 did not answer", self.errors.getvalue())
