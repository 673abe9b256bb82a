"""
Tests of the gates that each request passes.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR, SECRET, Server
from tests.queries import COOKIE, optOf, queryOf
from tests.wire.shown import optionsOf
from twisted_ext.packetcache.clients import Client, Group
from twisted_ext.server.limits import COOKIE_HASHES
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.chaos import ChaosIdentity
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.gates import (
    AccessGate,
    ClassGate,
    CookieGate,
    FormGate,
    MinimalAnyGate,
    QuestionGate,
    SignatureGate,
    gatesFor,
    standardGates,
)
from twisted_ext.server.reply.packetcaches import PROXIES
from twisted_ext.server.reply.ratelimit import ClientRateLimit
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, RA, RD, TC, Opcode, Rcode
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.options import ExtendedError
from twisted_ext.wire.tsig import Key, sign, signatureSize, verify

VERSION = b"\x07version\x04bind\x00"


class GatesTests(SynchronousTestCase):
    """
    Tests for L{standardGates}, and for each gate by the replies that clients get.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.cookies = Cookies(SECRET)
        self.server = Server(self.clock, cookies=self.cookies)

    def ask(self, query: bytes, client: str = NEAR) -> Message:
        """
        Return the reply.
        """
        octets = self.server.ask(query, client)
        assert octets is not None
        reply = Message.fromWire(octets).check()
        self.assertEqual(octets[:2], query[:2])
        self.assertTrue(reply.flags & QR)
        return reply

    def extendedErrors(self, reply: Message) -> list[int]:
        """
        Return the info codes of the extended errors in a reply.
        """
        return [option.infoCode for option in optionsOf(reply.edns) if isinstance(option, ExtendedError)]

    def test_gateOrder(self) -> None:
        """
        The order of the gates is fixed; without a limit, there is none for the rate.
        """
        names = [gate.name for gate in standardGates(cookies=self.cookies, rates=ClientRateLimit(5))]
        self.assertEqual(names, ["access", "opcode", "form", "version", "cookie", "rate", "signature", "class", "type", "any"])
        names = [gate.name for gate in standardGates(minimalAny=False)]
        self.assertEqual(names, ["access", "opcode", "form", "version", "question", "signature", "class", "type"])

    def test_givenGatesHaveStages(self) -> None:
        """
        Given gates come after those of the server at their stage: before the message is checked, before its signature is, and last.
        """
        first, second, third = (ClassGate(ChaosIdentity()) for _ in range(3))
        gates = gatesFor([AccessGate(), first], [QuestionGate(), second], [MinimalAnyGate(), third])
        self.assertEqual([gates.index(each) for each in (first, second, third)], [1, 6, len(gates) - 1])
        self.assertEqual([gates[0].name, gates[5].name, gates[7].name], ["access", "question", "signature"])

    def test_forbiddenClientLearnsNothing(self) -> None:
        """
        A client that is not allowed gets REFUSED and learns nothing about the server; a client on the drop list gets no reply.
        """
        self.server = Server(self.clock, access=Access({"allow": ["127.0.0.1"], "drop": ["198.51.100.0/24"]}))
        for query in (queryOf(opt=optOf()), queryOf(VERSION, "TXT", rrClass=3, opt=optOf()), queryOf(rrType="ANY", opt=optOf())):
            for _ in range(4):
                reply = self.ask(query, "203.0.113.1")
                self.assertEqual((reply.rcode, reply.answer, self.extendedErrors(reply)), (Rcode.REFUSED, (), [18]))
                self.assertIsNone(self.server.ask(query, "198.51.100.1"))
        self.assertEqual(self.server.inner.asked, 0)

    def test_otherOpcodesAreNotImplemented(self) -> None:
        """
        Other opcodes than QUERY get NOTIMP, and the reply is empty except for an OPT record if the request has one.
        """
        for opcode in range(1, 16):
            reply = self.ask(queryOf(flags=opcode << 11))
            self.assertEqual((reply.opcode, reply.rcode, len(reply.wire)), (opcode, Rcode.NOTIMP, 12))
            reply = self.ask(queryOf(flags=opcode << 11, opt=optOf()))
            self.assertEqual((reply.opcode, reply.rcode, len(reply.wire)), (opcode, Rcode.NOTIMP, 12 + len(optOf())))
            self.assertIsNotNone(reply.edns)
        self.assertEqual(Opcode.QUERY, 0)

    def test_malformedQueryGetsFORMERR(self) -> None:
        """
        A malformed query gets FORMERR.
        """
        self.assertEqual(self.ask(queryOf()[:-1]).rcode, Rcode.FORMERR)
        self.assertEqual(self.ask(bytes(12)).rcode, Rcode.FORMERR)

    def test_hopelessRequestIsNotParsed(self) -> None:
        """
        A request that will be refused in any case is not parsed, except for a possible OPT record at its end, since the reply then has one
        too.
        """
        gate = FormGate(lambda request: True)
        question = (Question(b"\x03www\x00", 6),)
        for payload, tail in ((1400, b""), (None, b""), (None, b"\x00\x00\x29\x05\x78" + bytes(5) + b"\x09")):
            wire = buildMessage(Message(1, Opcode.UPDATE << 11, question, edns=None if payload is None else EDNS(payload))) + tail
            request = Request.fromWire(wire, ("192.0.2.1", 53), "udp")
            assert request is not None
            self.assertIsNone(gate(request, 0.0))
            self.assertIsNone(request.message)
            self.assertEqual((request.question, request.questionEnd), (question[0], 21))
            self.assertEqual(None if request.edns is None else request.edns.payloadSize, payload)
            self.assertFalse(request.seemsSigned())

    def test_laterEDNSVersionGetsBADVERS(self) -> None:
        """
        A later version of EDNS gets BADVERS with version 0, without options and without an answer (RFC 6891).
        """
        for options in ((), ((100, b""),), ((COOKIE, b"short"),)):
            reply = self.ask(queryOf(opt=optOf(version=100, options=options, flags=0x80)))
            assert reply.edns is not None
            self.assertEqual((reply.rcode, reply.edns.version, reply.answer), (Rcode.BADVERS, 0, ()))
            self.assertEqual((reply.edns.options, reply.edns.flags), ((), 0))

    def test_unknownOptionsAreIgnored(self) -> None:
        """
        Unknown options and flags are ignored and not echoed.
        """
        reply = self.ask(queryOf(opt=optOf(options=[(100, b"abc"), (8, b"\x00\x01\x18\x00\xc0\x00\x02")], flags=0x80)))
        assert reply.edns is not None
        self.assertEqual((reply.rcode, reply.edns.options, reply.edns.flags), (0, (), 0))
        self.assertTrue(reply.answer)

    def test_replyHasEDNSIfQueryHas(self) -> None:
        """
        A query without EDNS gets a reply without EDNS, and the DO bit of a query is copied to the reply.
        """
        self.assertIsNone(self.ask(queryOf()).edns)
        edns = self.ask(queryOf(opt=optOf(flags=0x8000))).edns
        assert edns is not None
        self.assertTrue(edns.dnssecOk)

    def test_everyReplyHasCookie(self) -> None:
        """
        Every reply to a query with a cookie has a cookie as its last option; a malformed cookie gets FORMERR.
        """
        for _ in range(4):
            for name in ("www.test.example", "no.test.example"):
                edns = self.ask(queryOf(name, opt=optOf(options=[(COOKIE, b"clientA1")]))).edns
                assert edns is not None
                ((code, octets),) = edns.options
                self.assertEqual((code, octets[:8], len(octets)), (COOKIE, b"clientA1", 24))
                again = self.ask(queryOf(name, opt=optOf(options=[(COOKIE, octets)]))).edns
                self.assertEqual(again, edns)
        for octets in (b"", b"1234567", b"123456789", 15 * b"x", 41 * b"x"):
            self.assertEqual(self.ask(queryOf(opt=optOf(options=[(COOKIE, octets)]))).rcode, Rcode.FORMERR)

    def test_cookieWithoutQuestion(self) -> None:
        """
        A client may ask for a cookie alone (RFC 7873, section 5.4).
        """
        query = bytes.fromhex("123400000000000000000001") + optOf(options=[(COOKIE, b"clientA1")])
        reply = self.ask(query)
        assert reply.edns is not None
        self.assertEqual((reply.rcode, reply.questions, len(reply.edns.options)), (Rcode.NOERROR, (), 1))
        self.assertEqual(self.ask(query[:12] + optOf()).rcode, Rcode.FORMERR)

    def test_requiredCookieIsEnforced(self) -> None:
        """
        A client that must show a cookie gets no answer over UDP without a valid one, even if other clients got that answer before: it gets
        a cookie, or must use TCP. Other clients need no cookie.
        """
        far = "10.1.2.3"
        for required in ((NEAR,), ()):
            self.server = Server(self.clock, cookies=self.cookies, required=required, eager=True)
            plain, empty = queryOf(), queryOf(opt=optOf())
            asking = queryOf(opt=optOf(options=[(COOKIE, b"clientA1")]))
            wrong = queryOf(opt=optOf(options=[(COOKIE, b"clientA1" + bytes(16))]))
            edns = self.ask(asking).edns
            assert edns is not None
            good = queryOf(opt=optOf(options=edns.options))
            mixed = queryOf("wWw.test.Example", opt=optOf(options=edns.options))
            for _ in range(3):
                for query, rcode, truncated in (
                    (good, 0, 0), (mixed, 0, 0), (plain, Rcode.REFUSED, TC), (empty, Rcode.REFUSED, TC), (asking, Rcode.BADCOOKIE, 0),
                    (wrong, Rcode.BADCOOKIE, 0),
                ):  # fmt: skip
                    reply = self.ask(query)
                    expected = (rcode, truncated, not rcode) if required else (0, 0, True)
                    self.assertEqual((reply.rcode, reply.flags & TC, bool(reply.answer)), expected)
                    self.assertEqual(reply.edns is not None and bool(reply.edns.options), query not in (plain, empty))
                    self.assertTrue(self.ask(query, far).answer or query in (good, mixed))
                    octets = self.server.stream(query)
                    assert octets is not None
                    self.assertEqual(octets[3] & 15, 0)
            # The reply to the query with the valid cookie comes from the packet cache.
            kept = self.server.packetCache.clients.find(NEAR, self.clock.seconds()).group
            self.assertEqual((kept.shown, len(kept.datagrams) > 0), (bool(required), True))
            asked = self.server.responder.counters.ready
            self.ask(good)
            self.assertEqual(self.server.responder.counters.ready, asked)

    def test_noCookieForOtherOpcodes(self) -> None:
        """
        A client that must show a cookie needs none for other opcodes, whose handlers have access rules of their own. A signed query needs
        none either: a signature proves more than an address.
        """
        key = Key(nameFromText("key.example"), b"secret")
        gate = CookieGate(self.cookies, self.clock.seconds)
        for octets, transport, refused in (
            (queryOf(), "udp", True),
            (queryOf(), "tcp", False),
            (queryOf("test.example", "SOA", flags=Opcode.NOTIFY << 11), "udp", False),
            (queryOf("test.example", "SOA", flags=Opcode.UPDATE << 11), "udp", False),
            (sign(queryOf(), key, self.clock.seconds())[0], "udp", False),
        ):
            request = Request.fromWire(octets, (NEAR, 53535), transport)
            assert request is not None
            request.record = Client(NEAR, Group("others", shown=True))
            if request.opcode:
                request.readZone()
            self.assertEqual(gate(request, 0.0) is not None, refused)

    def test_cookieForThoseThatNeedOne(self) -> None:
        """
        When the server has made all new cookies of this second, a client still gets one if it needs one to be answered, or asks for nothing
        else.
        """
        bare = bytes.fromhex("123400000000000000000001") + optOf(options=[(COOKIE, b"clientA1")])
        query = queryOf(opt=optOf(options=[(COOKIE, b"clientA1")]))
        for octets, required, rcode, given in (
            (query, (), Rcode.NOERROR, False),
            (query, (NEAR,), Rcode.BADCOOKIE, True),
            (bare, (), Rcode.NOERROR, True),
        ):
            cookies = Cookies(SECRET, alone=True)
            for number in range(int(COOKIE_HASHES.default)):
                cookies.check("192.0.2.1", number.to_bytes(8, "big"), self.clock.seconds())
            self.server = Server(self.clock, cookies=cookies, required=required)
            reply = self.ask(octets)
            assert reply.edns is not None
            self.assertEqual((reply.rcode, bool(reply.edns.options)), (rcode, given))

    def test_clientsOfZonesOnly(self) -> None:
        """
        Clients that may query zones only are refused all other names; requests of other opcodes have access rules of their own. A trusted
        proxy that names no client is told why it is refused.
        """
        apex = nameFromText("test.example")
        gate = AccessGate(lambda name: apex if name.endswith(apex) else None)

        def refusal(name: str, opcode: int = Opcode.QUERY, group: str = "others", action: str = "zones") -> Refusal | None:
            request = Request.fromWire(queryOf(name, flags=opcode << 11), ("192.0.2.1", 53535), "udp")
            assert request is not None
            request.record = Client("192.0.2.1", Group(group, action))
            return gate(request, 0.0)

        self.assertIsNone(refusal("www.test.example"))
        self.assertIsNone(refusal("other.test", Opcode.NOTIFY))
        self.assertIsNone(refusal("other.test", Opcode.UPDATE))
        for found, text in ((refusal("other.test"), ""), (refusal("other.test", group=PROXIES, action="refuse"), "names no client")):
            assert found is not None
            self.assertEqual(found.rcode, Rcode.REFUSED)
            self.assertIn(text, found.ede[0][1])
            self.assertEqual(bool(text), bool(found.ede[0][1]))

    def test_anyInZones(self) -> None:
        """
        ANY for a name in a zone of this server passes: the zone has an answer of its own that is as small.
        """
        apex = nameFromText("test.example")
        gate = MinimalAnyGate(lambda request: apex if request.folded.endswith(apex) else None)
        for name, passes in (("www.test.example", True), ("www.example.org", False)):
            request = Request.fromWire(queryOf(name, "ANY"), ("192.0.2.1", 53535), "udp")
            assert request is not None
            self.assertIs(gate(request, 0.0) is None, passes)

    def test_lengthsOfCookies(self) -> None:
        """
        A COOKIE option has a client cookie of eight octets, alone or with a server cookie of eight to 32 (RFC 7873, section 4).
        """
        for length in (8, 16, 24, 40):
            reply = self.ask(queryOf(opt=optOf(options=[(COOKIE, bytes(length))])))
            self.assertEqual(reply.flags & 15, Rcode.NOERROR, length)
        for length in (0, 7, 9, 15, 41):
            reply = self.ask(queryOf(opt=optOf(options=[(COOKIE, bytes(length))])))
            self.assertEqual(reply.flags & 15, Rcode.FORMERR, length)

    def test_nextEDNSVersion(self) -> None:
        """
        Version 1 is not known either.
        """
        reply = self.ask(queryOf(opt=optOf(version=1)))
        assert reply.edns is not None
        self.assertEqual((reply.edns.extendedRcode << 4 | reply.flags & 15, reply.answer), (Rcode.BADVERS, ()))

    def test_keepaliveWithTimeoutIsMalformed(self) -> None:
        """
        A keepalive option with a timeout in a query is malformed over TCP and ignored over UDP (RFC 7828, sections 3.2.1 and 3.3.1).
        """
        for octets, rcode in ((b"", 0), (b"\x00\xff", Rcode.FORMERR)):
            query = queryOf(opt=optOf(options=[(11, octets)]))
            for _ in range(3):
                self.assertEqual(self.ask(query).rcode, 0)
                reply = self.server.stream(query)
                assert reply is not None
                self.assertEqual(Message.fromWire(reply).check().rcode, rcode)

    def test_cookiesCanBeOff(self) -> None:
        """
        Without a secret the cookie option is ignored as any unknown option is.
        """
        self.server = Server(self.clock)
        for _ in range(4):
            edns = self.ask(queryOf(opt=optOf(options=[(COOKIE, b"clientA1")]))).edns
            assert edns is not None
            self.assertEqual(edns.options, ())

    def test_unknownKeyGetsBADKEY(self) -> None:
        """
        A query signed with an unknown key gets BADKEY in the form that a signer accepts (RFC 8945, section 5.2.1), with or without EDNS,
        and no answer, which the client would have to discard.
        """
        key = Key(nameFromText("key.example"), b"secret")
        cookie = optOf(options=[(COOKIE, b"clientA1")])
        for opt in (b"", optOf(), cookie):
            query = queryOf(opt=opt)
            signed, mac = sign(query, key, 1_000_000)
            for _ in range(3):
                (octets,) = self.server.askAll([signed])
                verdict = verify(octets, {key.name: key}, 1_000_000, requestMac=mac)
                self.assertEqual((verdict.error, verdict.record and verdict.record.mac), (Rcode.BADKEY, b""))
                reply = Message.fromWire(verdict.octets).check()
                self.assertEqual((reply.rcode, reply.answer), (Rcode.NOTAUTH, ()))
                self.assertEqual(reply.edns is not None, bool(opt))
                self.assertEqual(reply.edns is not None and bool(reply.edns.options), opt == cookie)
        self.assertEqual(self.server.inner.asked, 0)

    def test_signedReplyFitsTheClient(self) -> None:
        """
        A reply to a signed query is not larger than the client's size, signature included: it is truncated where the same unsigned reply
        would just fit.
        """
        key = Key(nameFromText("key.example"), b"secret")
        self.server.responder.gates = standardGates(cookies=self.cookies, today=self.clock.seconds, keys={key.name: key})
        now = self.clock.seconds()
        name = "many.test.example"
        whole = len(self.ask(queryOf(name, opt=optOf(1232))).wire)
        more = signatureSize(key)
        for size, truncated in ((whole, True), (whole + more - 1, True), (whole + more, False)):
            signed, mac = sign(queryOf(name, opt=optOf(size)), key, now)
            (octets,) = self.server.askAll([signed])
            self.assertLessEqual(len(octets), size)
            verdict = verify(octets, {key.name: key}, now, requestMac=mac)
            self.assertEqual(verdict.error, 0)
            self.assertEqual(bool(Message.fromWire(verdict.octets).check().flags & TC), truncated)

    def test_octetsBehindSignatureAreIgnored(self) -> None:
        """
        What is behind a signed query is ignored, as it is behind others: the signature is that of the query without it.
        """
        key = Key(nameFromText("key.example"), b"secret")
        self.server.responder.gates = standardGates(cookies=self.cookies, today=self.clock.seconds, keys={key.name: key})
        now = self.clock.seconds()
        for tail in (b"\x00", queryOf("other.test"), optOf()):
            signed, mac = sign(queryOf("www.test.example"), key, now)
            (octets,) = self.server.askAll([signed + tail])
            verdict = verify(octets, {key.name: key}, now, requestMac=mac)
            self.assertEqual((verdict.error, Message.fromWire(verdict.octets).check().rcode), (0, 0))

    def test_largeForgeryIsNotRead(self) -> None:
        """
        The records of a large request of another opcode are not read when its signature is wrong; those of one with a good signature, or
        of a small one, are.
        """
        key, other = (Key(nameFromText("key.example"), secret) for secret in (b"secret", b"guess"))
        signatures = SignatureGate({key.name: key}, self.clock.seconds)
        form = FormGate(None, signatures.isForged)
        now = self.clock.seconds()
        zone = (Question(nameFromText("test.example"), 6),)
        rrset = rrsetOf(nameFromText("test.example"), 1, [f"192.0.2.{number}" for number in range(60)])
        for records, signer, read in (((rrset,), other, False), ((rrset,), key, True), ((), other, True)):
            wire = buildMessage(Message(1, Opcode.UPDATE << 11, zone, authority=records))
            request = Request.fromWire(sign(wire, signer, now)[0], ("192.0.2.1", 53), "udp")
            assert request is not None
            self.assertIsNone(form(request, 0.0))
            self.assertEqual(request.message is not None, read)
            refusal = signatures(request, 0.0)
            self.assertEqual(refusal and refusal.rcode, None if signer is key else Rcode.NOTAUTH)

    def test_malformedSignatureGetsFORMERR(self) -> None:
        """
        A TSIG record that is not last, appears twice or is malformed is a format error.
        """
        key = Key(nameFromText("key.example"), b"secret")
        query = queryOf()
        tsig = sign(query, key, 1_000_000)[0][len(query) :]
        # Its class is ANY and its TTL 0 (RFC 8945, section 4.2).
        head = len(key.name) + 2
        otherClass = tsig[:head] + b"\x00\x01" + tsig[head + 2 :]
        otherTTL = tsig[: head + 2] + b"\x00\x00\x00\x01" + tsig[head + 6 :]
        for trailer in (tsig + optOf(), tsig + tsig, tsig[:-4] + b"\x00\x00\x00\x01", otherClass, otherTTL):
            count = b"\x00\x01" if len(trailer) == len(tsig) else b"\x00\x02"
            self.assertEqual(self.ask(query[:10] + count + query[12:] + trailer).rcode, Rcode.FORMERR)

    def test_otherClassesAreRefused(self) -> None:
        """
        Classes other than IN are refused, and so are CHAOS queries about the server by default.
        """
        for rrClass in (0, 2, 3, 4, 254, 255, 65535):
            self.assertEqual(self.ask(queryOf(rrClass=rrClass)).rcode, Rcode.REFUSED)
        self.assertEqual(self.ask(queryOf(VERSION, "TXT", rrClass=3)).rcode, Rcode.REFUSED)

    def test_configuredIdentityIsShown(self) -> None:
        """
        The configured identity is returned for CHAOS queries and for the NSID option.
        """
        identity = ChaosIdentity(version="txdns", host="here", nsid="ns1")
        responder = self.server.responder
        responder.gates = gatesFor([AccessGate()], [CookieGate(self.cookies, self.clock.seconds)], [], identity=identity)
        responder.replyBuilder = ReplyBuilder(identity=identity)
        reply = self.ask(queryOf(b"\x07VERSION\x04bind\x00", "TXT", rrClass=3))
        self.assertEqual((reply.rcode, [each.rdatas for each in reply.answer]), (0, [(b"\x05txdns",)]))
        self.assertEqual(self.ask(queryOf(b"\x02id\x06server\x00", "TXT", rrClass=3)).answer[0].rdatas, (b"\x04here",))
        self.assertEqual(self.ask(queryOf(VERSION, "A", rrClass=3)).rcode, Rcode.REFUSED)
        for _ in range(4):
            # Two NSID options get one reply option.
            edns = self.ask(queryOf(opt=optOf(options=[(3, b""), (3, b"")]))).edns
            assert edns is not None
            self.assertEqual(edns.options, ((3, b"ns1"),))
            edns = self.ask(queryOf(opt=optOf())).edns
            assert edns is not None
            self.assertEqual(edns.options, ())

    def test_metaTypesAreNotLookedUp(self) -> None:
        """
        Types that no record can have are not looked up.
        """
        for rrType, rcode in (
            ("AXFR", Rcode.REFUSED),
            ("IXFR", Rcode.REFUSED),
            ("OPT", Rcode.FORMERR),
            ("TSIG", Rcode.FORMERR),
            (128, Rcode.FORMERR),
            (0, Rcode.FORMERR),
            ("TKEY", Rcode.NOTIMP),
            ("MAILA", Rcode.NOTIMP),
            ("MAILB", Rcode.NOTIMP),
        ):
            self.assertEqual(self.ask(queryOf(rrType=rrType)).rcode, rcode)
        self.assertEqual(self.server.inner.asked, 0)
        self.assertEqual(self.ask(queryOf(rrType=666)).rcode, Rcode.NXDOMAIN)

    def test_anyGetsOneSmallRecord(self) -> None:
        """
        An ANY query gets one small record without a look-up (RFC 8482).
        """
        reply = self.ask(queryOf(rrType="ANY"))
        self.assertEqual([(each.rrType, each.rdatas) for each in reply.answer], [(13, (b"\x07RFC8482\x00",))])
        self.assertEqual(self.server.inner.asked, 0)
        self.server.responder.gates = standardGates(minimalAny=False)
        self.ask(queryOf("www.test.example", "ANY", id=2))
        self.assertEqual(self.server.inner.asked, 1)

    def test_rateLimitSparesVerifiedClients(self) -> None:
        """
        Half of a client's queries over its rate get no reply, and the other half an empty truncated one. Clients with a valid cookie and
        other clients are still answered. This holds with and without the packet cache.
        """
        self.server = Server(self.clock, rates=ClientRateLimit(10, burst=1), cookies=self.cookies)
        edns = self.ask(queryOf(opt=optOf(options=[(COOKIE, b"clientA1")])), "127.0.0.2").edns
        assert edns is not None
        mine = edns.options[0][1]
        replies = self.server.askAll([queryOf(id=number) for number in range(110)])
        short = [reply for reply in replies if reply[2] & 2]
        self.assertEqual((len(replies), len(short)), (60, 50))
        self.assertEqual(Message.fromWire(short[0]).check().flags, QR | RD | RA | TC)
        self.assertTrue(all(len(reply) <= len(queryOf()) for reply in short))
        self.assertEqual(len(self.server.askAll([queryOf(opt=optOf(options=[(COOKIE, mine)]))] * 50, "127.0.0.2")), 50)
        # Its queries count all the same, also those that no reply is kept for, so that its others are limited.
        third = self.ask(queryOf("0.test.example", opt=optOf(options=[(COOKIE, b"clientA2")])), "127.0.0.4").edns
        assert third is not None
        verified = [queryOf(f"{number}.test.example", opt=optOf(options=[third.options[0]])) for number in range(1, 10)]
        self.assertEqual(len(self.server.askAll(verified, "127.0.0.4")), 9)
        plain = self.server.askAll([queryOf(f"p{number}.test.example") for number in range(2)], "127.0.0.4")
        self.assertFalse([reply for reply in plain if not reply[2] & 2])
        self.assertFalse(self.ask(queryOf(), "127.0.0.3").flags & TC)
        self.assertEqual(sum([self.server.stream(queryOf()) is not None for _ in range(50)]), 50)
        replies = []
        for transport in ("tls", "https", "quic"):
            for _ in range(50):
                self.server.responder.take(queryOf(), (NEAR, 4000), transport, replies.append)
        self.assertEqual(len(replies), 150)
        self.assertFalse([reply for reply in replies if reply[2] & 2])
        self.clock.advance(1)
        self.assertEqual(len([reply for reply in self.server.askAll([queryOf()] * 20) if not reply[2] & 2]), 10)
