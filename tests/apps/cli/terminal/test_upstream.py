"""
Tests of L{twisted_ext.apps.cli.terminal.upstream}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.queries import parseQuery
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, USAGE, ExitError
from twisted_ext.apps.cli.terminal.upstream import CommandUpstream, looksDescribed, upstreamFor
from twisted_ext.compat.transfers import serversBehind
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.system import configured
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.names import nameToText


class UpstreamTests(SynchronousTestCase):
    """
    Tests for L{upstreamFor}.
    """

    def setUp(self) -> None:
        """
        Configure two servers, one of which answers.
        """
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        path = Path(self.mktemp())
        path.write_text("nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch corp.example\noptions ndots:2\n")
        self.patch(configured, "SYSTEM_RESOLV_CONF", str(path))
        self.server = CannedServer(
            {
                ("ns.example.org", "A"): "192.0.2.99",
                ("ns.example.org", "AAAA"): "2001:db8::99",
                ("dns.corp.example", "A"): "192.0.2.98",
                ("none.example.org", "TXT"): '"x"',
            }
        )
        self.server.listen(self.network.reactor("192.0.2.53"))

    def ask(self, target: str, port: int | None = None, family: int = 0) -> Deferred[CommandUpstream]:
        """
        Return a fired Deferred with the upstream.
        """
        done = Deferred.fromCoroutine(upstreamFor(self.here, target, port, family))
        for _ in range(2000):
            if done.called:
                break
            self.network.advance(0.05)
        return done

    def find(self, target: str, port: int | None = None, family: int = 0) -> CommandUpstream:
        """
        Return the upstream.
        """
        upstream = self.successResultOf(self.ask(target, port, family))
        self.addCleanup(upstream.source.close)
        return upstream

    def servers(self, target: str, port: int | None = None, family: int = 0) -> list[str]:
        """
        Return the servers of the upstream.
        """
        return [server.label for server in serversBehind(self.find(target, port, family).source)]

    def errorFor(self, target: str, port: int | None = None, family: int = 0) -> tuple[int, str]:
        """
        Return the exit code and the error.
        """
        ending = self.failureResultOf(self.ask(target, port, family), ExitError).value
        return ending.code, ending.line

    def test_defaultIsTheSystem(self) -> None:
        """
        The default is the configured servers, optionally at another port or of one family.
        """
        self.assertEqual(self.servers(""), ["192.0.2.53:53", "[2001:db8::53]:53"])
        self.assertEqual(self.servers("", 5300, 6), ["[2001:db8::53]:5300"])
        upstream = self.find("")
        self.assertEqual((upstream.servers, upstream.ndots), (2, 2))
        self.assertEqual([nameToText(domain) for domain in upstream.domains], ["corp.example."])

    def test_unconfiguredServerHasAHint(self) -> None:
        """
        A server that is used because none is configured comes with a hint; a chosen one does not.
        """
        self.assertEqual(self.find("").hint, "")
        self.patch(configured, "SYSTEM_RESOLV_CONF", self.mktemp())
        hint = self.find("").hint
        self.assertTrue(hint.startswith("; it was asked since ") and hint.endswith(" cannot be read: No such file or directory"), hint)
        self.assertEqual(self.find("192.0.2.1").hint, "")

    def test_addressWithOptionalPort(self) -> None:
        """
        An address can be written with or without a port, and with or without brackets.
        """
        self.assertEqual(self.servers("192.0.2.1"), ["192.0.2.1:53"])
        self.assertEqual(self.servers("192.0.2.1", 5300), ["192.0.2.1:5300"])
        self.assertEqual(self.servers("192.0.2.1:5301", 5300), ["192.0.2.1:5301"])
        self.assertEqual(self.servers("2001:DB8:0::1"), ["[2001:db8::1]:53"])
        self.assertEqual(self.servers("[2001:db8::1]:5300"), ["[2001:db8::1]:5300"])

    def test_serverNameIsLookedUp(self) -> None:
        """
        The name of a server is looked up as the system does, with the search list, and all its addresses are used.
        """
        self.assertEqual(self.servers("ns.example.org"), ["192.0.2.99:53", "[2001:db8::99]:53"])
        self.assertEqual(self.servers("ns.example.org", 5300, 6), ["[2001:db8::99]:5300"])
        self.assertEqual(self.servers("dns"), ["192.0.2.98:53"])

    def test_portAfterColonOrHash(self) -> None:
        """
        A port follows a colon or, as in kdig, C{#}, after addresses with or without brackets and after names.
        """
        self.assertEqual(self.servers("192.0.2.1#5300"), ["192.0.2.1:5300"])
        self.assertEqual(self.servers("2001:db8::1#5300"), ["[2001:db8::1]:5300"])
        self.assertEqual(self.servers("[2001:db8::1]#5300"), ["[2001:db8::1]:5300"])
        self.assertEqual(self.servers("[2001:db8::1]"), ["[2001:db8::1]:53"])
        self.assertEqual(self.servers("fe80::1%lo#5300"), ["[fe80::1%lo]:5300"])
        self.assertEqual(self.servers("localhost:5300", None, 4), ["127.0.0.1:5300"])
        self.assertEqual(self.servers("localhost#5300", None, 4), ["127.0.0.1:5300"])
        self.assertEqual(self.servers("ns.example.org:5300", 99, 4), ["192.0.2.99:5300"])
        self.assertEqual(self.servers("ns.example.org#5300", None, 4), ["192.0.2.99:5300"])
        self.assertEqual(self.servers("dns:5300"), ["192.0.2.98:5300"])

    def test_nameWithoutAddressIsReported(self) -> None:
        """
        A server name without an address, or whose look-up fails, is reported in one line.
        """
        code, line = self.errorFor("none.example.org")
        self.assertEqual(code, USAGE)
        self.assertIn("@none.example.org is neither a server whose name has an address", line)
        self.server.rcode = 2
        code, line = self.errorFor("ns.example.net")
        self.assertEqual(code, NO_REPLY)
        self.assertIn("could not be found", line)

    def test_descriptionIsRecognized(self) -> None:
        """
        A resolver description is recognized as one.
        """
        self.assertEqual(self.servers("udp:192.0.2.1:5301"), ["192.0.2.1:5301"])
        self.assertEqual(self.servers("cache:tcp:192.0.2.1"), ["192.0.2.1:53"])
        self.assertEqual(self.servers("hosts"), [])
        for target in ("hosts", "udp:192.0.2.1", "chain:(hosts):(special)", "foo:bar", "https://dns.example/dns-query"):
            self.assertTrue(looksDescribed(target), target)
        for target in ("localhost", "ns.example.org"):
            self.assertFalse(looksDescribed(target), target)

    def test_malformedServerIsExplained(self) -> None:
        """
        Text that starts with an address is taken for a server, and the error says what is wrong with it.
        """
        for target, hint in (
            ("192.0.2.1:0", "0 is not a valid port; it takes a number from 1 to 65535"),
            ("192.0.2.1:65536", "65536 is not a valid port"),
            ("192.0.2.1:", "the port is missing"),
            ("192.0.2.1#", "the port is missing"),
            ("192.0.2.1#x", "'x' is not a valid port"),
            ("192.0.2.1#70000", "70000 is not a valid port"),
            ("2001:db8::1#x", "'x' is not a valid port"),
            ("ns.example.org#x", "'x' is not a port; write a number from 1 to 65535"),
            ("ns.example.org:70000", "'70000' is not a port"),
            ("ns.example.org#", "'' is not a port"),
            ("192.0.2.1:x", "'x' is not a valid port"),
            ("[2001:db8::1]:x", "'x' is not a valid port"),
            ("[2001:db8::1", "after [address] comes nothing, or :port"),
            ("192.0.2.1,192.0.2.2", "@udp:192.0.2.1,192.0.2.2"),
        ):
            code, line = self.errorFor(target)
            self.assertEqual(code, USAGE)
            self.assertIn(hint, line)
            self.assertIn(target, line)

    def test_longTargetGivesShortError(self) -> None:
        """
        The error about a very long target stays readable.
        """
        code, line = self.errorFor("a" * 100_000)
        self.assertEqual(code, USAGE)
        self.assertLess(len(line), 400)

    def test_missingFamilyIsRefused(self) -> None:
        """
        A family that the target does not have is an error.
        """
        self.assertEqual(self.errorFor("192.0.2.1", None, 6), (USAGE, "-6: @192.0.2.1 has no IPv6 server"))

    def encrypted(self, words: str) -> list[str]:
        """
        Return the transport and the servers for the arguments of a query.
        """
        options = parseQuery(words.split())
        done = Deferred.fromCoroutine(upstreamFor(self.here, options.target, options.port, options.family, options.encryption))
        for _ in range(200):
            if done.called:
                break
            self.network.advance(0.05)
        source = self.successResultOf(done).source
        self.addCleanup(source.close)
        assert isinstance(source, ForwardingSource)
        return [source.transport.kind, *[upstream.server.label for upstream in source.upstreams]]

    def test_portOfTheTransport(self) -> None:
        """
        An encrypted server is asked at the port of its transport, at that of its URL, or at that of C{-p}.
        """
        self.assertEqual(self.encrypted("@192.0.2.1 +tls"), ["tls", "192.0.2.1:853"])
        self.assertEqual(self.encrypted("@192.0.2.1 +https"), ["https", "192.0.2.1:443"])
        self.assertEqual(self.encrypted("@192.0.2.1 +quic -p 8853"), ["quic", "192.0.2.1:8853"])
        self.assertEqual(self.encrypted("@192.0.2.1:8853 +tls"), ["tls", "192.0.2.1:8853"])
        self.assertEqual(self.encrypted("https://192.0.2.1:8443/q"), ["https", "192.0.2.1:8443"])
        self.assertEqual(self.encrypted("https://192.0.2.1:8443/q -p 9443"), ["https", "192.0.2.1:9443"])

    def test_encryptedServersByName(self) -> None:
        """
        The name of an encrypted server is looked up as the system does, in one family if that is wanted.
        """
        self.assertEqual(self.encrypted("@ns.example.org +tls"), ["tls", "192.0.2.99:853", "[2001:db8::99]:853"])
        self.assertEqual(self.encrypted("@tls://ns.example.org:8853 -6"), ["tls", "[2001:db8::99]:8853"])
        self.assertEqual(self.encrypted("+tls"), ["tls", "192.0.2.53:853", "[2001:db8::53]:853"])
        self.assertEqual({query.transport for query in self.server.asked}, {"udp"})
        self.assertEqual({nameToText(query.question.name) for query in self.server.asked}, {"ns.example.org."})
