"""
The signed zones of RFC 4035 and RFC 5155, appendix A, and the responses from them in appendix B of each; and the answers of RFC 1034,
section 6.2, from its own zones.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.zone.plain import answer, setsOf
from twisted_ext.answers import Answer, Question
from twisted_ext.wire.codes import AA, Rcode
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.zone.query.answers import answerAcross
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

#: Owner, type, TTL and rdata, octet by octet.
Record = tuple[bytes, int, int, bytes]

_ASKED = re.compile(r"A dnssec query for (\S+?)\.?(?: type (\S+))? should have rcode (\S+)")
_FLAGS = re.compile(r"should have flags (.+)")
_COUNT = re.compile(r"should have (an|ns|ad)count (\d+)")
_SECTION = re.compile(r"The (\w+) section of")


class Response(NamedTuple):
    """
    One response of an appendix.
    """

    title: str
    question: Question
    rcode: str
    flags: list[str]
    counts: dict[str, int]
    sections: dict[str, set[Record]]


def recordsOf(sets: tuple[RRSet, ...] | list[RRSet]) -> set[Record]:
    """
    Return records one by one.
    """
    return {(rrset.name, rrset.rrType, rrset.ttl, rdata) for rrset in sets for rdata in rrset.rdatas}


def responsesOf(text: str) -> list[Response]:
    """
    Read the responses from a feature file.
    """
    found = []
    for scenario in text.split("Scenario: ")[1:]:
        lines = [line.strip() for line in scenario.splitlines()]
        lines = [line for line in lines if not line.startswith("#")]
        flags: list[str] = []
        counts: dict[str, int] = {}
        sections: dict[str, set[Record]] = {}
        section = ""
        records: list[str] | None = None
        said = None
        for line in lines:
            if line == '"""':
                if records is None:
                    records = []
                else:
                    sections[section] = recordsOf(setsOf("\n".join(records), "."))
                    records = None
            elif records is not None:
                records.append(line)
            elif match := _ASKED.search(line):
                said = match
            elif match := _FLAGS.search(line):
                flags = match[1].split()
            elif match := _COUNT.search(line):
                counts[match[1]] = int(match[2])
            elif match := _SECTION.search(line):
                section = match[1]
        assert said is not None
        rrType = typeNumber(said[2] or "A")
        assert rrType is not None
        found.append(Response(lines[0], Question(nameFromText(said[1]), rrType), said[3], flags, counts, sections))
    return found


def versionFrom(name: str, origin: str = "example.") -> Version:
    """
    Return the zone in a file of the corpus, as read by L{Zone.fromText}.
    """
    return Zone.fromText((corpus("rfc-zones") / name).read_text("ascii"), origin).current


class AppendixTests(SynchronousTestCase):
    """
    Tests with the appendices. Their responses have additional name servers and addresses, like answers without C{minimal}.
    """

    def check(self, number: int, count: int) -> None:
        """
        Compare octet by octet.
        """
        version = versionFrom(f"rfc{number}-appA-signed.zone")
        responses = responsesOf((corpus("rfc-zones") / f"rfc{number}-appB-responses.feature").read_text("ascii"))
        self.assertEqual(len(responses), count)
        for response in responses:
            with self.subTest(response.title):
                found = answer(version, response.question, dnssecOk=True, minimal=False)
                self.assertEqual(Rcode(found.rcode).name, response.rcode)
                self.assertEqual(bool(found.flags & AA), "aa" in response.flags)
                given = {"answer": found.answer, "authority": found.authority, "additional": found.additional}
                for section, sets in given.items():
                    self.assertEqual(recordsOf(sets), response.sections.get(section, set()), section)
                counts = [sum([len(rrset.rdatas) for rrset in sets]) for sets in given.values()]
                # An OPT record is in the additional section as well.
                self.assertEqual(
                    [counts[0], counts[1], counts[2] + 1], [response.counts[each] for each in ("an", "ns", "ad")]
                )

    def test_NSECProofsOfRFC4035(self) -> None:
        """
        Denials, referrals and wildcards have the NSEC proofs of RFC 4035, appendix B.
        """
        self.check(4035, 6)

    def test_NSEC3ProofsOfRFC5155(self) -> None:
        """
        Denials, referrals and wildcards have the NSEC3 proofs of RFC 5155, appendix B.
        """
        self.check(5155, 14)


class ExampleTests(SynchronousTestCase):
    """
    Tests with the zones of RFC 1034, section 6.1.
    """

    def ask(self, name: str, rrType: str) -> Answer:
        """
        Return the answer of a server with both zones.
        """
        root = versionFrom("rfc1034-6-1-root.zone", ".")
        below = versionFrom("rfc1034-6-1-edu.zone", "EDU.")
        number = typeNumber(rrType)
        assert number is not None
        found = answerAcross(
            lambda folded: below if folded.endswith(b"\x03edu\x00") else root, Question(nameFromText(name), number)
        )
        assert found is not None
        return found

    def expect(self, found: Answer, aa: bool, rcode: int, *sections: str) -> None:
        """
        @param sections: records of answer, authority and additional section.
        """
        self.assertEqual((bool(found.flags & AA), found.rcode), (aa, rcode))
        given = (found.answer, found.authority, found.additional)
        for sets, text in zip(given, sections, strict=True):
            records = {(name.lower(), rrType, rdata.lower()) for name, rrType, _, rdata in recordsOf(sets)}
            wanted = {(name.lower(), rrType, rdata.lower()) for name, rrType, _, rdata in recordsOf(setsOf(text, "."))}
            self.assertEqual(records, wanted)

    def test_addressesOfHost(self) -> None:
        """
        Section 6.2.1: the addresses of a host.
        """
        self.expect(
            self.ask("SRI-NIC.ARPA", "A"), True, 0, "SRI-NIC.ARPA. A 26.0.0.73\nSRI-NIC.ARPA. A 10.0.0.51", "", ""
        )

    def test_mailExchange(self) -> None:
        """
        Section 6.2.3: the mail exchange; its addresses are optional.
        """
        self.expect(self.ask("SRI-NIC.ARPA", "MX"), True, 0, "SRI-NIC.ARPA. MX 0 SRI-NIC.ARPA.", "", "")

    def test_hostWithoutSuchRecords(self) -> None:
        """
        Section 6.2.4: a host without such records, with the SOA that RFC 2308 adds.
        """
        soa = ". SOA SRI-NIC.ARPA. HOSTMASTER.SRI-NIC.ARPA. 870611 1800 300 604800 86400"
        self.expect(self.ask("SRI-NIC.ARPA", "NS"), True, 0, "", soa, "")

    def test_missingName(self) -> None:
        """
        Section 6.2.5: a name that does not exist.
        """
        soa = ". SOA SRI-NIC.ARPA. HOSTMASTER.SRI-NIC.ARPA. 870611 1800 300 604800 86400"
        self.expect(self.ask("SIR-NIC.ARPA", "A"), True, 3, "", soa, "")

    def test_referralHasKnownAddresses(self) -> None:
        """
        Section 6.2.6: a name in a delegated zone, with the known addresses.
        """
        servers = "MIL. NS SRI-NIC.ARPA.\nMIL. NS A.ISI.EDU."
        addresses = "A.ISI.EDU. A 26.3.0.103\nSRI-NIC.ARPA. A 26.0.0.73\nSRI-NIC.ARPA. A 10.0.0.51"
        self.expect(self.ask("BRL.MIL", "A"), False, 0, "", servers, addresses)

    def test_aliasLeadsToReferral(self) -> None:
        """
        Section 6.2.7: an alias and its target, as far as the server knows: here the target is below a cut of the other zone.
        """
        servers = "ISI.EDU. NS VAXA.ISI.EDU.\nISI.EDU. NS A.ISI.EDU.\nISI.EDU. NS VENERA.ISI.EDU."
        found = self.ask("USC-ISIC.ARPA", "CNAME")
        self.expect(found, True, 0, "USC-ISIC.ARPA. CNAME C.ISI.EDU.", "", "")
        found = self.ask("USC-ISIC.ARPA", "A")
        self.assertEqual(recordsOf(found.answer), recordsOf(self.ask("USC-ISIC.ARPA", "CNAME").answer))
        self.assertEqual({rrset.rrType for rrset in found.authority}, {2})
        self.assertEqual(
            {(name.lower(), rdata.lower()) for name, _, _, rdata in recordsOf(found.authority)},
            {(name.lower(), rdata.lower()) for name, _, _, rdata in recordsOf(setsOf(servers, "."))},
        )
