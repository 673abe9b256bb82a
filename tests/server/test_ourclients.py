"""
Tests of our own clients against our own server, over each encrypted transport, on a memory network.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tests.server.listeners.authorities import issued, keyText, newKey
from tests.server.listeners.test_certificates import write
from tests.server.test_service import SECRET, US, ServiceCase
from tests.wire.rdata.samples import SAMPLES
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import ServerFailed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import BOOTSTRAP_SECONDS
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.listeners.sockets import Bound, encryptedPlaces
from twisted_ext.server.service import ServerService
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Message, Question

#: Those of each transport, by its name in the tests.
_FORMS = {
    "tls": "tls:{us}#dns.example",
    "https-get": "https\\://dns.example/dns-query:address={us}:method=GET",
    "https-post": "https\\://dns.example/dns-query:address={us}",
    "quic": "quic:{us}#dns.example",
}

#: Types that clients cannot ask for, or that are not answered with one record set of that type.
_OTHERS = frozenset(("OPT", "TSIG", "TKEY", "CNAME", "DNAME", "SOA", "RRSIG", "SIG", "NULL", "NXNAME"))

#: EDNS options that differ between transports: padding and keepalive.
_OF_TRANSPORTS = (11, 12)


#: The address of a plain server whose encrypted side is the server.
_PLAIN = "192.0.2.60"


class OurClientsCase(ServiceCase):
    """
    A server with all encrypted listeners, its upstream, and clients of it.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        authority, key = newKey(), newKey()
        self.files = {
            "certificate": write(folder, "c.pem", issued(["dns.example", _PLAIN], key, authority)),
            "key": write(folder, "k.pem", keyText(key)),
        }
        self.ca = write(folder, "root.pem", issued(["Authority"], authority)).replace(":", "\\:")
        self.service = self.begin()
        self.addCleanup(lambda: self.stop(self.service))

    def begin(self) -> ServerService:
        """
        Start the server.
        """
        self.wanted = self.settings(tls=US, https=US, quic=f"{US}:8853", nsid="here", **self.files)
        bound = [Bound(US, 53)]
        for way in ("tls", "https", "quic"):
            bound += encryptedPlaces(getattr(self.wanted, way), way)
        service = ServerService(self.here, self.wanted, bound, SECRET, reread=self.reread)
        service.startService()
        return service

    def over(self, way: str, **options: str) -> ForwardingSource:
        """
        Return a client's source, which has to be closed.
        """
        form = _FORMS[way].replace("\\://", "://").format(us=US)
        port = ":port=8853" if way == "quic" else ""
        said = "".join([f":{key}={value}" for key, value in options.items()])
        source = sourceFromString(self.there, f"{form}{port}:ca={self.ca}{said}")
        (forwarding,) = behind(source, ForwardingSource)
        return forwarding

    def leave(self, source: IAnswerSource) -> None:
        """
        Close a client's source, and check that it leaves nothing.
        """
        closed = source.close()
        self.network.advance(1)
        self.successResultOf(closed)
        self.assertEqual([each for each in self.there.pending() if "4000" not in str(each)], [])

    def start(self, source: IAnswerSource, question: Question) -> Deferred[Answer]:
        """
        Begin a look-up of ten seconds.
        """
        return lookUp(source, question, QueryContext(self.there.seconds() + 10))

    def outcome(self, source: IAnswerSource, question: Question, options: tuple[tuple[int, bytes], ...] = ()) -> object:
        """
        Look up a question, and return all of its answer but TTLs and what belongs to the transport.
        """
        context = QueryContext(self.there.seconds() + 10, options=options, dnssecOk=bool(options))
        found: list[object] = []
        lookUp(source, question, context).addBoth(found.append)
        self.network.advance(6)
        (result,) = found
        if isinstance(result, Failure):
            fault = result.value
            reply = fault.reply if isinstance(fault, ServerFailed) else None
            return (type(fault).__name__, _shape(reply) if isinstance(reply, Message) else str(fault))
        assert isinstance(result, Answer)
        return (result.outcome, result.rcode, result.ede, _shape(result.message))


def _shape(message: Message | None) -> object:
    if message is None:
        return None
    sections = [
        [(rrset.name.lower(), rrset.rrType, sorted(rrset.rdatas)) for rrset in section]
        for section in (message.answer, message.authority, message.additional)
    ]
    edns = message.edns
    options = None if edns is None else [each for each in edns.options if each[0] not in _OF_TRANSPORTS]
    return message.flags, sections, options


class SameAnswersTests(OurClientsCase):
    """
    Each transport gives the answers that UDP gives.
    """

    def same(self, questions: list[Question], options: tuple[tuple[int, bytes], ...] = ()) -> list[object]:
        """
        Ask each question over UDP and over each transport, compare the answers, and return them.
        """
        plain = sourceFromString(self.there, f"udp:{US}")
        expected = [self.outcome(plain, question, options) for question in questions]
        self.leave(plain)
        for way in _FORMS:
            source = self.over(way)
            for question, known in zip(questions, expected, strict=True):
                self.assertEqual(self.outcome(source, question, options), known, (way, question))
            self.leave(source)
        return expected

    def test_allTypes(self) -> None:
        """
        Records of all types arrive as they are.
        """
        questions: list[Question] = []
        for number, (rrType, texts) in enumerate(SAMPLES.items()):
            if rrType not in _OTHERS:
                name = f"h{number}.test.example"
                self.upstream.set(name, rrType, list(texts))
                questions.append(questionOf(name, rrType))
        outcomes = dict(zip(questions, self.same(questions), strict=True))
        self.assertGreater(len(questions), 60)
        self.assertEqual([question for question, each in outcomes.items() if "DATA" not in str(each)], [])

    def test_failuresAndBigAnswers(self) -> None:
        """
        Denials, failures, aliases and answers of many kilobytes are the same.
        """
        self.upstream.set("big.test.example", "TXT", [f'"{number:03}{"x" * 240}"' for number in range(200)])
        self.upstream.set("failing.test.example", "A", 2)
        self.upstream.set("refused.test.example", "A", 5)
        self.upstream.set("alias.test.example", "CNAME", "www.test.example.")
        self.same(
            [
                questionOf("big.test.example", "TXT"),
                questionOf("missing.test.example"),
                questionOf("www.test.example", "MX"),
                questionOf("failing.test.example"),
                questionOf("refused.test.example"),
                questionOf("alias.test.example"),
                questionOf("localhost"),
                questionOf("version.bind", "TXT"),
                questionOf("_dns.resolver.arpa", "SVCB"),
            ]
        )

    def test_options(self) -> None:
        """
        EDNS options are treated as over UDP: NSID, a client subnet, one that is not known, and several.
        """
        subnet = (8, bytes.fromhex("00011800c00002"))
        for options in (((3, b""),), (subnet,), ((65001, b"abc"),), ((3, b""), subnet, (65001, b"x" * 300))):
            self.same([questionOf("www.test.example"), questionOf("missing.test.example")], options)


class DesignatedTests(OurClientsCase):
    """
    The server as the one that a plain server designates.
    """

    def test_eachTransport(self) -> None:
        """
        A client finds it by each transport that the record of the plain server names, with its port, path and addresses; without hints,
        the plain server is asked for the address.
        """
        plain = CannedServer({("dns.example", "A"): US})
        plain.listen(self.network.reactor(_PLAIN))
        for expected, record in (
            ("tls", f"1 dns.example. alpn=dot ipv4hint={US}"),
            ("tls", "1 dns.example. alpn=dot port=853"),
            ("https", f"1 dns.example. alpn=h2 ipv4hint={US} dohpath=/dns-query{{?dns}}"),
            ("https", f"1 dns.example. alpn=h3,h2 port=443 ipv4hint={US} dohpath=/dns-query{{?dns}}"),
            ("quic", f"1 dns.example. alpn=doq port=8853 ipv4hint={US}"),
            ("https", f"1 dns.example. alpn=dot port=854 ipv4hint={US}|2 dns.example. alpn=h2 ipv4hint={US} dohpath=/dns-query{{?dns}}"),
            ("udp", f"1 dns.example. alpn=h2 ipv4hint={US} dohpath=/dns-query"),
            ("udp", f"1 dns.example. alpn=h2 ipv4hint={US}"),
        ):
            plain.set("_dns.resolver.arpa", "SVCB", record.split("|"))
            plain.set("www.test.example", "A", "192.0.2.80")
            source = sourceFromString(self.there, f"ddr:{_PLAIN}:ca={self.ca}")
            found = self.start(source, questionOf("www.test.example"))
            self.network.advance(5)
            origin = self.successResultOf(found).origin
            assert origin is not None
            self.assertEqual(origin.source, expected, record)
            self.leave(source)


class BootstrapTests(OurClientsCase):
    """
    The server given by its name.
    """

    def test_movedServer(self) -> None:
        """
        Each transport finds a server that has moved, without losing the look-up, and asks the bootstrap server for nothing but its
        addresses.
        """
        self.network.reactor("192.0.2.99")
        finder = CannedServer()
        finder.listen(self.network.reactor(_PLAIN))
        options = f"ca={self.ca}:bootstrap={_PLAIN}"
        for form in ("tls://dns.example", "https://dns.example/dns-query", "quic://dns.example:8853"):
            finder.set("dns.example", "A", "192.0.2.99")
            source = sourceFromString(self.there, f"{form}:{options}")
            before = self.start(source, questionOf("www.test.example"))
            self.network.advance(11)
            self.failureResultOf(before)
            finder.set("dns.example", "A", US)
            self.network.advance(BOOTSTRAP_SECONDS.default)
            found = self.start(source, questionOf("www.test.example"))
            self.network.advance(9)
            self.assertEqual(len(self.successResultOf(found).answer), 1, form)
            self.leave(source)
        self.assertEqual({asked.question.name for asked in finder.asked}, {b"\x03dns\x07example\x00"})


class ConnectionTests(OurClientsCase):
    """
    Connections under load, interruptions and silence.
    """

    def names(self, count: int) -> list[Question]:
        """
        Return questions that the upstream answers.
        """
        for number in range(count):
            self.upstream.set(f"n{number}.test.example", "A", f"198.51.100.{number % 250}")
        return [questionOf(f"n{number}.test.example") for number in range(count)]

    def forget(self) -> None:
        """
        Empty the server's cache.
        """
        assert isinstance(self.service.stack, ForwardStack)
        self.service.stack.flush()

    def test_outOfOrder(self) -> None:
        """
        A reply does not wait for one that takes longer, on the same connection.
        """
        self.upstream.set("slow.test.example", "A", "198.51.100.1")
        for number, way in enumerate(_FORMS):
            source = self.over(way)
            self.outcome(source, questionOf("www.test.example"))
            self.upstream.delay = 1.0
            self.upstream.set(f"slow{number}.test.example", "A", "198.51.100.1")
            slow = self.start(source, questionOf(f"slow{number}.test.example"))
            self.network.advance(0.1)
            fast = self.start(source, questionOf("www.test.example"))
            self.network.advance(0.2)
            self.successResultOf(fast)
            self.assertNoResult(slow)
            self.upstream.delay = 0.0
            self.network.advance(4)
            self.successResultOf(slow)
            self.leave(source)

    def test_thousandInFlight(self) -> None:
        """
        A thousand look-ups at once are all answered, each with its own answer, on one connection.
        """
        questions = self.names(1000)
        for way in _FORMS:
            source = self.over(way)
            asked = [self.start(source, question) for question in questions]
            self.network.advance(0.5)
            # QUIC has none that the host counts.
            self.assertEqual(len(self.there.connections), 0 if way == "quic" else 1)
            self.network.advance(8)
            for number, each in enumerate(asked):
                (rrset,) = self.successResultOf(each).answer
                self.assertEqual(rrset.rdatas, (bytes((198, 51, 100, number % 250)),), (way, number))
            self.leave(source)
        self.assertEqual(self.service.counters.faults, 0)

    def test_restart(self) -> None:
        """
        A server that stops with look-ups under way, and starts again, loses none of them.
        """
        questions = self.names(40)
        for way in _FORMS:
            source = self.over(way)
            self.outcome(source, questionOf("www.test.example"))
            self.upstream.delay = 0.3
            self.forget()
            asked = [self.start(source, question) for question in questions]
            self.network.advance(0.1)
            stopping = self.service.stopService()
            self.service = self.begin()
            self.network.advance(0.02)
            self.successResultOf(stopping)
            self.upstream.delay = 0.0
            self.network.advance(8)
            for each in asked:
                self.successResultOf(each)
            self.leave(source)

    def test_idleConnections(self) -> None:
        """
        An idle connection is closed, and the next look-up makes a new one; if the server has closed it first, no look-up is lost either.
        """
        for way in _FORMS:
            for keep in ("1", "600"):
                source = self.over(way, keep=keep)
                for _ in range(2):
                    found = self.start(source, questionOf("www.test.example"))
                    self.network.advance(2)
                    self.successResultOf(found)
                    self.network.advance(60)
                self.leave(source)

    def test_cancellation(self) -> None:
        """
        Cancelling half of many look-ups leaves the others alone, and nothing behind; cancelling all of them as well.
        """
        questions = self.names(60)
        for way in _FORMS:
            for every in (2, 1):
                source = self.over(way)
                self.upstream.delay = 0.2
                self.forget()
                asked = [self.start(source, question) for question in questions]
                self.network.advance(0.1)
                for each in asked[::every]:
                    each.cancel()
                    self.failureResultOf(each, CancelledError)
                self.network.advance(5)
                for number, each in enumerate(asked):
                    if number % every:
                        self.successResultOf(each)
                self.upstream.delay = 0.0
                self.leave(source)
