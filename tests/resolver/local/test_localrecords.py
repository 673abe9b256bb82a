"""
Tests of L{twisted_ext.resolver.local.localrecords}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.networks import textsOf
from twisted_ext.answers import Answer, Outcome, QueryContext, Security, Trace
from twisted_ext.errors import BadDescription, BadRecord, DNSFault, TimedOut
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.local.localrecords import (
    LocalRecordsSource,
    LocalReverse,
    localRecord,
    localRecords,
    readLocalFile,
)
from twisted_ext.testing.sources import CannedSource, atHand, questionOf
from twisted_ext.wire.codes import AA, AD, RA
from twisted_ext.wire.rdata.text import recordFromText

LOCAL = [
    "router.lan A 192.168.1.1",
    "router.lan 60 A 192.168.1.2",
    "Printer.lan. 60 IN AAAA fd00::9",
    "www.lan CNAME web.lan",
    "web.lan CNAME router.lan",
    "out.lan CNAME www.example.org",
    "round.lan CNAME round.lan",
    "*.dev.lan A 192.168.1.80",
    "fixed.dev.lan A 192.168.1.81",
]


class LocalRecordsTests(SynchronousTestCase):
    """
    Tests for L{LocalRecordsSource}.
    """

    def setUp(self) -> None:
        known: dict[tuple[str, str], TimedOut | str] = {
            ("www.example.org", "A"): "192.0.2.80",
            ("gone.example.org", "A"): TimedOut("nobody"),
        }
        self.inner = CannedSource(known, otherwise="192.0.2.1")
        self.source = LocalRecordsSource(self.inner, localRecords([localRecord(text) for text in LOCAL]))

    def ask(self, name: str, rrType: str = "A") -> Answer:
        """
        Return the answer, which must be the same at hand and from a look-up.
        """
        question, context = questionOf(name, rrType), QueryContext(5.0)
        ready = atHand(self.source, question, context)
        answer = self.successResultOf(lookUp(self.source, question, context))
        if ready is not None:
            self.assertEqual((ready.outcome, textsOf(ready)), (answer.outcome, textsOf(answer)))
        return answer

    def test_localRecordsAreTheAnswer(self) -> None:
        """
        Local records of a name are the answer, in any letter case, and the inner source is not asked.
        """
        self.assertEqual(textsOf(self.ask("router.lan")), ["192.168.1.1", "192.168.1.2"])
        self.assertEqual(textsOf(self.ask("PRINTER.LAN", "AAAA")), ["fd00::9"])
        self.assertEqual(self.ask("printer.lan", "A").outcome, Outcome.NODATA)
        self.assertEqual(len(self.ask("router.lan", "ANY").answer), 1)
        self.assertEqual(self.inner.asked, 0)

    def test_otherNamesGoToInnerSource(self) -> None:
        """
        All other names are asked of the inner source.
        """
        self.assertEqual(textsOf(self.ask("other.lan")), ["192.0.2.1"])
        self.assertEqual(textsOf(self.ask("sub.router.lan")), ["192.0.2.1"])

    def test_localAliasesAreFollowed(self) -> None:
        """
        Local aliases are followed to local and to other names, and an alias loop ends.
        """
        self.assertEqual(textsOf(self.ask("www.lan")), ["web.lan.", "router.lan.", "192.168.1.1", "192.168.1.2"])
        answer = self.ask("out.lan")
        self.assertEqual(textsOf(answer), ["www.example.org.", "192.0.2.80"])
        self.assertEqual(answer.answer[0].name, questionOf("out.lan").name)
        self.assertEqual(self.ask("round.lan").outcome, Outcome.NODATA)

    def test_otherTypesGoToInnerSource(self) -> None:
        """
        If other types are left to the inner source, it is asked for them, also behind a local alias, and about wildcards.
        """
        inner = CannedSource(otherwise="2001:db8::1")
        self.source = LocalRecordsSource(inner, localRecords([localRecord(text) for text in LOCAL]), otherTypes=True)
        self.assertEqual(textsOf(self.ask("router.lan")), ["192.168.1.1", "192.168.1.2"])
        self.assertEqual(len(self.ask("router.lan", "ANY").answer), 1)
        self.assertEqual(inner.asked, 0)
        self.assertEqual(textsOf(self.ask("router.lan", "AAAA")), ["2001:db8::1"])
        self.assertEqual(textsOf(self.ask("x.dev.lan", "AAAA")), ["2001:db8::1"])
        answer = self.ask("www.lan", "AAAA")
        self.assertEqual(textsOf(answer), ["web.lan.", "router.lan.", "2001:db8::1"])
        self.assertEqual(answer.answer[-1].name, questionOf("router.lan").name)

    def test_plainAddressRecords(self) -> None:
        """
        The short way for address records gives the same records as the parser, and leaves all others, and errors, to it.
        """
        for text in ("a.lan A 192.0.2.1", "*.a-b.lan. A 0.0.0.0", "_x.lan A 255.255.255.255", "1.2.3.4.lan A 1.2.3.4"):
            for ttl in (None, 60):
                record, parsed = localRecord(text, ttl), recordFromText(text, None, 3600 if ttl is None else ttl)
                for name in ("name", "rrType", "rrClass", "ttl", "rdatas"):
                    self.assertEqual(getattr(record, name), getattr(parsed, name), text)
        self.assertEqual(localRecord("A.lan  60 A 192.0.2.1").ttl, 60)
        for text in ("a.lan A 192.0.2.256", "a..lan A 192.0.2.1", f"{'a' * 64}.lan A 192.0.2.1", "a.lan A 192.0.2.1 x", "a.lan A 1.2.3.04"):
            self.assertRaises(DNSFault, localRecord, text)

    def test_localAliasIsNeitherSecureNorAuthoritative(self) -> None:
        """
        An answer behind a local alias is neither secure nor authoritative, even if its target is.
        """
        proved = Answer(Outcome.DATA, flags=AA | RA | AD, security=Security.SECURE)
        source = LocalRecordsSource(CannedSource({("www.example.org", "A"): proved}), localRecords([localRecord(LOCAL[5])]))
        answer = self.successResultOf(lookUp(source, questionOf("out.lan"), QueryContext(5.0)))
        self.assertEqual((answer.flags, answer.security), (RA, Security.INDETERMINATE))
        self.assertEqual(textsOf(answer), ["www.example.org."])

    def test_aliasToUnknownOrFailingName(self) -> None:
        """
        An alias to an unknown name is the whole answer. The failure of its target is raised.
        """
        source = LocalRecordsSource(CannedSource(), localRecords([localRecord("out.lan CNAME gone.example.org")]))
        context = QueryContext(5.0)
        self.assertEqual(textsOf(self.successResultOf(lookUp(source, questionOf("out.lan"), context))), ["gone.example.org."])
        source = LocalRecordsSource(self.inner, localRecords([localRecord("out.lan CNAME gone.example.org")]))
        self.failureResultOf(lookUp(source, questionOf("out.lan"), context), TimedOut)

    def test_wildcardCoversNamesBelow(self) -> None:
        """
        A wildcard covers all names below at any depth that have no records of their own.
        """
        self.assertEqual(textsOf(self.ask("any.dev.lan")), ["192.168.1.80"])
        answer = self.ask("a.b.DEV.lan")
        self.assertEqual(textsOf(answer), ["192.168.1.80"])
        self.assertEqual(answer.answer[0].name, questionOf("a.b.DEV.lan").name)
        self.assertEqual(textsOf(self.ask("fixed.dev.lan")), ["192.168.1.81"])
        self.assertEqual(textsOf(self.ask("below.fixed.dev.lan")), ["192.0.2.1"])
        self.assertEqual(textsOf(self.ask("dev.lan")), ["192.0.2.1"])

    def test_fileOfRecords(self) -> None:
        """
        A file has one record on each line, with comments. An error names the file and the line.
        """
        path = Path(self.mktemp())
        path.write_text("; mine\n# too\n\nrouter.lan A 192.168.1.1\n")
        self.assertEqual([rrset.ttl for rrset in readLocalFile(str(path))], [3600])
        path.write_text("router.lan A 192.168.1.1\nrouter.lan A 192.168.1.300\n")
        error = self.assertRaises(BadDescription, readLocalFile, str(path))
        self.assertIn(f"{path}:2: column 14", str(error))
        error = self.assertRaises(BadDescription, readLocalFile, str(path) + ".none")
        self.assertIn("cannot be read: No such file", str(error))
        self.assertRaises(BadRecord, localRecord, "version.bind CH TXT me")


class LocalReverseTests(SynchronousTestCase):
    """
    Tests for L{LocalReverse}.
    """

    def setUp(self) -> None:
        ofNone = ["blocked.example A 0.0.0.0", "own.lan A 127.0.0.1", "own.lan AAAA ::1"]
        texts = [*LOCAL, "gateway.lan A 192.168.1.1", *ofNone, "gateway.lan A 192.168.1.7", "router.lan A 192.168.1.7"]
        self.source = LocalReverse([localRecord(text) for text in texts])

    def find(self, name: str, rrType: str = "PTR") -> list[str] | None:
        """
        Return the texts of the answer.
        """
        answer = self.source.ask(questionOf(name, rrType), QueryContext(5.0, trace=Trace()))
        return None if answer is None else textsOf(answer)

    def test_addressesHaveNames(self) -> None:
        """
        An address has the name of the first record with it, with the TTL of that record, also if records of another name began earlier.
        """
        self.assertEqual(self.find("7.1.168.192.in-addr.arpa"), ["gateway.lan."])
        self.assertEqual(self.find("1.1.168.192.in-addr.arpa"), ["router.lan."])
        self.assertEqual(self.find("1.1.168.192.in-addr.arpa", "ANY"), ["router.lan."])
        self.assertEqual(self.find("9." + "0." * 28 + "0.d.f.ip6.arpa"), ["Printer.lan."])
        answer = self.source.ask(questionOf("9." + "0." * 28 + "0.d.f.ip6.arpa", "PTR"), QueryContext(5.0))
        assert answer is not None
        self.assertEqual(answer.answer[0].ttl, 60)

    def test_addressesOfNoHostHaveNone(self) -> None:
        """
        Wildcards, the unspecified address and the loopback addresses do not name a host.
        """
        for name in ("80.1.168.192.in-addr.arpa", "0.0.0.0.in-addr.arpa", "1.0.0.127.in-addr.arpa", "1." + "0." * 31 + "ip6.arpa"):
            self.assertIsNone(self.find(name))

    def test_otherQuestionsAreLeftToOthers(self) -> None:
        """
        Other types and names are left to other sources.
        """
        self.assertIsNone(self.find("1.1.168.192.in-addr.arpa", "TXT"))
        self.assertIsNone(self.find("router.lan"))
        self.assertIsNone(self.find("1.168.192.in-addr.arpa"))
