"""
Tests of proofs with the replies in RFC 4035 and RFC 5155, Appendix B, and with published NSEC3 hashes.

Signatures are not verified here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.dnssec.chains import Counting, name
from twisted_ext.answers import Outcome, Security
from twisted_ext.dnssec.denial.nsec3 import hashOf, readNSEC3
from twisted_ext.dnssec.denial.proving import (
    Delegation,
    Denials,
    Proof,
    proveNoCloser,
    proveNoData,
    proveNoDS,
    proveNoName,
)
from twisted_ext.wire.names import labelCount, parentOf
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DS, NS, NSEC, NSEC3, RRSIG, A, typeNumber

_QUERY: Final = re.compile(r"A dnssec query for (\S+)(?: type (\S+))? should have rcode (\S+)")
_SECTION: Final = re.compile(r"The (\w+) section of the last query response should be")

ZONE: Final = name("example.")


@dataclass
class Scenario:
    """
    A query and its reply.
    """

    title: str
    name: bytes = b""
    rrType: int = A
    rcode: str = ""
    sections: dict[str, list[RRSet]] = field(default_factory=dict)

    @property
    def denials(self) -> Denials:
        """
        The records of denial in the authority section.
        """
        return Denials(ZONE, [(rrset, None) for rrset in self.sections.get("authority", ()) if rrset.rrType in (NSEC, NSEC3)])


def recordOf(line: str) -> RRSet:
    """
    Read a record with owner, TTL, class, type and rdata.
    """
    owner, ttl, _, word, rest = line.split(None, 4)
    rrType = typeNumber(word)
    assert rrType is not None
    return RRSet(name(owner), rrType, 1, int(ttl), (rdataFromText(rrType, rest, b"\x00"),))


def scenarios(file: str) -> list[Scenario]:
    """
    Read the scenarios of a file.
    """
    found: list[Scenario] = []
    section = ""
    inside = False
    for raw in corpus(f"rfc-zones/{file}").read_text().splitlines():
        line = raw.strip()
        if line.startswith("Scenario: "):
            found.append(Scenario(line[10:]))
        elif query := _QUERY.match(line):
            found[-1].name = name(query[1])
            found[-1].rrType = typeNumber(query[2] or "A") or A
            found[-1].rcode = query[3]
        elif heading := _SECTION.match(line):
            section = heading[1]
        elif line == '"""':
            inside = not inside
        elif inside and line and not line.startswith("#"):
            found[-1].sections.setdefault(section, []).append(recordOf(line))
    return found


def provedBy(scenario: Scenario) -> Proof:
    """
    Prove what the reply says, as a validator does.
    """
    work = Counting()
    answers = scenario.sections.get("answer", ())
    if answers:
        labels = next(rrset.rdatas[0][3] for rrset in answers if rrset.rrType == RRSIG)
        encloser = scenario.name
        while labelCount(encloser) > labels:
            encloser = parentOf(encloser)
        return proveNoCloser(scenario.name, encloser, scenario.denials, work)
    if scenario.rcode == "NXDOMAIN":
        return proveNoName(scenario.name, scenario.denials, work)
    cuts = [rrset.name for rrset in scenario.sections["authority"] if rrset.rrType == NS]
    if cuts:
        return proveNoDS(cuts[0], scenario.denials, work)[1]
    return proveNoData(scenario.name, scenario.rrType, scenario.denials, work)


class AppendixTests(SynchronousTestCase):
    """
    The replies of both documents.
    """

    def test_nsecRepliesAreProven(self) -> None:
        """
        The replies of RFC 4035 are proven. One is from the wrong server, to be asked again at the parent (B.8).
        """
        proofs = {scenario.title: provedBy(scenario) for scenario in scenarios("rfc4035-appB-responses.feature")}
        child = proofs.pop("B.8 DS Child Zone No Data Error")
        self.assertEqual(child.security, Security.BOGUS)
        self.assertIn("parent", str(child.reason))
        self.assertEqual(
            {title: (proof.security, proof.outcome) for title, proof in proofs.items()},
            {
                "B.2 Name Error": (Security.SECURE, Outcome.NXDOMAIN),
                "B.3 No Data Error": (Security.SECURE, Outcome.NODATA),
                "B.5 Referral to unsigned zone": (Security.SECURE, Outcome.NODATA),
                "B.6 Wildcard expansion": (Security.SECURE, Outcome.DATA),
                "B.7 Wildcard No Data Error": (Security.SECURE, Outcome.NODATA),
            },
        )

    def test_nsec3RepliesAreProven(self) -> None:
        """
        The replies of RFC 5155, and further ones of its zone, are proven. All records of the zone have the opt-out flag, so that no
        reply that covers a next closer name is secure (section 9.2).
        """
        security = {}
        for scenario in scenarios("rfc5155-appB-responses.feature"):
            if any(each.rrType == NSEC3 for each in scenario.sections["authority"]):
                security[scenario.title.partition(" ")[0], scenario.title.rpartition(" ")[2]] = provedBy(scenario).security
        secure, insecure = Security.SECURE, Security.INSECURE
        self.assertEqual(
            security,
            {
                ("B.1.", "Error"): insecure,
                ("B.2.", "Error"): secure,
                ("B2.1.", "Non-Terminal"): secure,
                ("B.3.", "Zone"): insecure,
                ("B.4.", "Expansion"): insecure,
                ("B.5.", "Error"): insecure,
                # From the wrong server, to be asked again at the parent.
                ("B.6.", "Error"): Security.BOGUS,
                ("7.2.2", "encloser)"): insecure,
                ("7.2.2", "(wildcard)"): insecure,
                ("Wildcard", "nodata"): secure,
                ("Direct", "record"): insecure,
                ("No", "in-zone"): secure,
                ("No", "delegation"): insecure,
            },
        )

    def test_nsec3RepliesWithoutOptOutAreSecure(self) -> None:
        """
        The same replies are secure if their records do not have the opt-out flag; the referral then says that there is no such name.
        """
        for scenario in scenarios("rfc5155-appB-responses.feature"):
            authority = scenario.sections.get("authority", ())
            for rrset in authority:
                if rrset.rrType == NSEC3:
                    rdata = rrset.rdatas[0]
                    rrset.rdatas = (rdata[:1] + b"\x00" + rdata[2:],)
            if scenario.title.startswith(("B.1", "B.2", "B.4", "B.5", "7.2.2")):
                self.assertTrue(provedBy(scenario).secure, scenario.title)
            elif scenario.title.startswith("B.3"):
                state, proof = proveNoDS(name("c.example."), scenario.denials, Counting())
                self.assertEqual((state, proof.secure), (Delegation.NO_NAME, True))
                self.assertEqual(
                    proveNoData(name("c.example."), DS, scenario.denials, Counting()).reason,
                    (12, "no NSEC3 record shows the types of c.example. or of *.example."),
                )

    def test_everyRecordIsNeeded(self) -> None:
        """
        Without any one of its records of denial, no reply is proven.
        """
        count = 0
        for file in ("rfc4035-appB-responses.feature", "rfc5155-appB-responses.feature"):
            for scenario in scenarios(file):
                authority = scenario.sections.get("authority", [])
                denials = [rrset for rrset in authority if rrset.rrType in (NSEC, NSEC3)]
                if not denials or provedBy(scenario).security is Security.BOGUS:
                    continue
                for rrset in denials:
                    scenario.sections["authority"] = [each for each in authority if each is not rrset]
                    proof = provedBy(scenario)
                    if proof.security is not Security.BOGUS:
                        # A wildcard's types do not matter where the name may be an unsigned delegation.
                        self.assertTrue(scenario.title.startswith("B.5. Wildcard No Data"), scenario.title)
                        self.assertEqual(proof.security, Security.INSECURE)
                    count += 1
        self.assertGreater(count, 25)

    def test_knownHashes(self) -> None:
        """
        Names have the hashes that Unbound's tests list.
        """
        text = corpus("unbound-unitdata/testdata/test_nsec3_hash.1").read_text()
        entries = [re.sub(r"[()]", " ", each) for each in text.split("ENTRY_BEGIN")[1:]]
        for entry in entries:
            lines = [line for line in entry.splitlines() if line.strip() and not line.lstrip().startswith(";")]
            asked, found, record = lines[1].split()[0], lines[3].split()[0], lines[5].split()
            words = " ".join(record[record.index("NSEC3") + 1 :])
            rrset = RRSet(name(record[0]), NSEC3, 1, 0, (rdataFromText(NSEC3, words, b"\x00"),))
            span = readNSEC3(rrset, rrset.rdatas[0], rrset.name[33:].lower())
            assert not isinstance(span, str), span
            self.assertEqual(hashOf(name(asked).lower(), span.iterations, span.salt), int(found.split(".")[0], 32), asked)
        self.assertGreater(len(entries), 10)
