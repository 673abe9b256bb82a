"""
Tests of semantic checks.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.plain import versionOf
from tests.zone.signing import BEGIN, END, signed
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rdata.types.dnssec import DNSKEY
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.zone.check.checkfile import CheckResult, vet
from twisted_ext.zone.check.semantics import check
from twisted_ext.zone.limits import FINDINGS_KEPT
from twisted_ext.zone.zone import Zone
from twisted_ext.zone.zonefile.findings import CHECKS, FATAL, Report

#: A zone without mistakes.
SOUND: Final = """\
$ORIGIN example.org.
$TTL 3600
@ SOA ns1 mail 1 7200 3600 1209600 3600
@ NS ns1
@ NS ns.elsewhere.net.
@ MX 10 mail
ns1 A 192.0.2.1
mail AAAA 2001:db8::25
www CNAME web
web A 192.0.2.80
*.wild A 192.0.2.81
alias CNAME anything.wild
_sip._tcp SRV 0 0 5060 web
nomail MX 0 .
sub NS ns.sub
sub NS ns1
sub DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub A 192.0.2.53
old DNAME new.example.net.
"""

#: Lines added to it, with the check that finds them and the owner.
WRONG: Final = (
    ("x SOA ns1 mail 1 7200 3600 1209600 3600", "soa", "x.example.org."),
    ("x CNAME web\nx CNAME ns1", "cname-several", "x.example.org."),
    ("x CNAME web\nx TXT hello", "cname-others", "x.example.org."),
    ("old DNAME newer.example.net.", "dname-several", "old.example.org."),
    ("sub DNAME other.net.", "dname-ns", "sub.example.org."),
    ("a.old A 192.0.2.1", "dname-below", "a.old.example.org."),
    ("x.sub TXT hello", "occluded", "x.sub.example.org."),
    ("sub TXT hello", "occluded", "sub.example.org."),
    ("x NS ns.x", "glue-missing", "x.example.org."),
    ("other.sub A 192.0.2.9", "glue-extra", "other.sub.example.org."),
    ("sub A 192.0.2.9", "glue-extra", "sub.example.org."),
    ("x MX 5 nobody", "target-missing", "x.example.org."),
    ("x MX 5 nomail", "target-missing", "x.example.org."),
    ("@ NS nobody", "target-missing", "example.org."),
    ("x SRV 0 0 5060 nobody", "target-missing", "x.example.org."),
    ("x MX 5 www", "target-alias", "x.example.org."),
    ("x MX 5 a.old", "target-alias", "x.example.org."),
    ("@ NS 192.0.2.1.", "target-address", "example.org."),
    ("x MX 5 192.0.2.1", "target-address", "x.example.org."),
    ("x CNAME nobody", "cname-dangling", "x.example.org."),
    ("x CNAME y\ny CNAME z\nz CNAME nobody", "cname-dangling", "x.example.org."),
    ("x CNAME x", "cname-loop", "x.example.org."),
    ("*.x NS ns1", "ns-wildcard", "*.x.example.org."),
    ("web 60 A 192.0.2.79", "ttl-mixed", "web.example.org."),
    ("web A 192.0.2.80", "repeated", "web.example.org."),
    ("x DS 1 13 2 " + 64 * "0", "ds-place", "x.example.org."),
    ("@ DS 1 13 2 " + 64 * "0", "ds-apex", "example.org."),
    ("x CDS 1 13 9 00", "cds-values", "x.example.org."),
    ("sub DS 1 13 1 " + 40 * "0", "ds-values", "sub.example.org."),
    ("@ NS ns9.sub", "glue-missing", "example.org."),
    ("x TYPE0 \\# 0", "syntax", ""),
    ("x NSEC3 1 0 0 - 2T7B4G4V A", "reading", ""),
    ("x NSEC3 1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR= A", "reading", ""),
    ("x SVCB 1 web dohpath=/q", "svcb-dns", "x.example.org."),
    ("x DNSKEY 257 3 13 AAAA", "dnskey-place", "x.example.org."),
    ("away.example.com. A 192.0.2.1", "outside", ""),
    ("x A 192.0.2", "syntax", ""),
    ("@ ZONEMD 1 1 1 " + 96 * "0", "zonemd", "example.org."),
)


def checkText(text: str, now: float | None = None) -> CheckResult:
    """
    Return the findings for a file with these lines.
    """
    return vet(text.encode(), nameFromText("example.org."), path="example.org.zone", now=now)


class CheckingTests(SynchronousTestCase):
    """
    Tests of single mistakes.
    """

    def test_soundZoneHasNoFindings(self) -> None:
        """
        A zone without mistakes has no findings.
        """
        result = checkText(SOUND)
        self.assertEqual([str(finding) for finding in result.report.findings], [])
        assert result.version is not None
        self.assertEqual(result.version.serial, 1)

    def test_eachMistakeIsFound(self) -> None:
        """
        Each mistake is found by its check, with its level, owner and line.
        """
        start = SOUND.count("\n") + 1
        self.assertEqual(checkText(SOUND + "ns9.sub A 192.0.2.9\n@ NS ns9.sub\n").report.counts, {})
        for lines, name, owner in WRONG:
            findings = [finding for finding in checkText(SOUND + lines + "\n").report.findings if finding.check == name]
            self.assertTrue(findings, lines)
            (finding,) = findings[:1]
            self.assertEqual(finding.level, CHECKS[name][0])
            self.assertEqual(finding.subject.split(" ")[0], owner, lines)
            self.assertEqual(finding.path, "example.org.zone")
            if name not in ("ttl-mixed", "repeated") and owner not in ("example.org.", "sub.example.org.", "old.example.org."):
                self.assertEqual(finding.line, start, lines)
            self.assertIn(f"[{name}]", finding.labelled)
            self.assertEqual(finding.toJSON()["check"], name)

    def test_mistakeLeadsToNoOtherFindings(self) -> None:
        """
        A mistake leads to no other findings except those that follow from it.
        """
        together = {"cname-several": {"cname-others"}, "target-address": {"target-missing"}}
        for lines, name, _ in WRONG:
            others = set(checkText(SOUND + lines + "\n").report.counts) - {name} - together.get(name, set())
            self.assertLessEqual(others, {"nsec-missing", "dnskey-missing", "reading", "cname-dangling"}, lines)

    def test_encryptedResolverParametersAreChecked(self) -> None:
        """
        An SVCB record of a resolver needs C{alpn} and, for HTTP, a C{dohpath} template with the variable C{dns} (RFC 9461, sections
        4 and 5).
        """
        for owner, parameters, wrong in (
            ("_dns", "dohpath=/{?dns}", True),
            ("_dns", "alpn=h2", True),
            ("_8443._dns.ns1", "alpn=h3,dot", True),
            ("_dns", "alpn=dot", False),
            ("_8443._dns", "alpn=h2 dohpath=/q{?dns}", False),
            ("x_dns", "alpn=h2", False),
            ("x._dns", "alpn=h2", False),
            *[("x", f'alpn=h2 dohpath="{path}"', False) for path in ("/q?a=b{&x*,dns:9}", "/%20{dns*}", "/\\195\\164{?dns}")],
            *[("x", f'alpn=h2 dohpath="{path}"', True) for path in ("q{?dns}", "/q{?xdns}", "/{?dns", "/{??dns}", "/%a{?dns}")],
            ("x", "alpn=h2 dohpath=/{?dns:0}", True),
        ):
            counts = checkText(SOUND + f"{owner} SVCB 1 web {parameters}\n{owner} SVCB 0 web\n").report.counts
            self.assertEqual("svcb-dns" in counts, wrong, (owner, parameters))

    def test_cdsAndCdnskeyMustMatchTheKeys(self) -> None:
        """
        CDS and CDNSKEY records must agree with each other and with the keys of the zone, or both request deletion.
        """
        key, other = "257 3 13 " + 84 * "A" + "AA==", "257 3 13 " + 84 * "B" + "AA=="
        digests = {}
        for text in (key, other):
            rdata = rdataFromText(48, text)
            digest = hashlib.sha256(nameFromText("example.org.") + rdata).hexdigest()
            digests[text] = f"{DNSKEY.fromWire(rdata).keyTag} 13 2 {digest}"
        good, bad = digests[key], digests[other]
        tag, _, _, digest = good.split()
        old = hashlib.sha1(nameFromText("example.org.") + rdataFromText(48, key)).hexdigest()
        for lines, count in (
            ((f"CDS {good}",), 0),
            ((f"CDNSKEY {key}",), 0),
            ((f"CDS {good}", f"CDNSKEY {key}"), 0),
            ((f"CDS {good}", f"CDS {tag} 13 9 00"), 0),
            ((f"CDS {tag} 8 2 {digest}",), 1),
            ((f"CDS {int(tag) + 1} 13 2 {digest}",), 1),
            ((f"CDS {tag} 13 1 {old}",), 1),
            (("CDS 0 0 0 00", "CDNSKEY 0 3 0 AA=="), 0),
            (("CDS 0 0 0 00",), 0),
            (("CDS 0 0 0 00", f"CDNSKEY {key}"), 1),
            (("CDS 0 0 0 00", f"CDS {good}"), 1),
            (("CDS 0 0 0 01",), 1),
            (("CDNSKEY 1 3 0 AA==",), 1),
            ((f"CDS {bad}",), 1),
            ((f"CDNSKEY {other}",), 1),
            ((f"CDS {good}", f"CDNSKEY {key}", f"CDNSKEY {other}"), 1),
            ((f"CDS {bad}", f"CDNSKEY {key}"), 2),
        ):
            text = SOUND + f"@ DNSKEY {key}\n" + "".join([f"@ {line}\n" for line in lines])
            self.assertEqual(checkText(text).report.counts.get("cds-values", 0), count, lines)
        self.assertEqual(checkText(SOUND + f"@ CDS {good}\n").report.counts.get("cds-values", 0), 1)

    def test_keysWithEqualTagsAreFound(self) -> None:
        """
        Two keys with the same algorithm and tag are found, because validators may try only one of them.
        """
        # Tags are sums of words in any order.
        octets = [bytes(64), b"\x00\x01" + bytes(62), bytes(2) + b"\x00\x01" + bytes(60)]
        keys = [f"257 3 13 {b64encode(each).decode()}" for each in octets]
        tags = [DNSKEY.fromWire(rdataFromText(48, key)).keyTag for key in keys]
        text = SOUND + "".join([f"@ DNSKEY {key}\n" for key in keys])
        self.assertEqual(checkText(text).report.counts.get("dnskey-values", 0), len(tags) - len(set(tags)))
        self.assertLess(len(set(tags)), len(tags))

    def test_dnssecRecordsMayStandBesideAlias(self) -> None:
        """
        DNSSEC records, including NXT and NSEC3, may stand beside an alias.
        """
        for line in ("x NSEC3 1 0 0 - 00000000000000000000000000000000 A", "x NXT web CNAME", "x NSEC web CNAME"):
            self.assertNotIn("cname-others", checkText(SOUND + "x CNAME web\n" + line + "\n").report.counts)
        # RFC 2535 allowed KEY, but NSD, Knot and recent versions of BIND refuse it.
        self.assertIn("cname-others", checkText(SOUND + "x CNAME web\nx KEY 512 3 13 AAAA\n").report.counts)

    def test_nsec3BelowDnameAtApexIsFound(self) -> None:
        """
        NSEC3 records and their signatures are accepted below a DNAME record at the apex.
        """
        name = 32 * "0"
        lines = f"{name} NSEC3 1 0 0 - {name} DNAME\n{name} RRSIG NSEC3 13 3 3600 {END} {BEGIN} 1 example.org. AAAA\n"
        head = "$ORIGIN example.org.\n$TTL 3600\n@ SOA ns1.test. mail.test. 1 7200 3600 1209600 3600\n@ NS ns1.test.\n@ DNAME a.test.\n"
        self.assertNotIn("dname-below", checkText(head + lines).report.counts)
        self.assertNotIn("rrsig-extra", checkText(head + lines).report.counts)
        self.assertIn("dname-below", checkText(head + "x A 192.0.2.1\n").report.counts)

    def test_soaTimesAndMailAreChecked(self) -> None:
        """
        Implausible times of an SOA record and a mail address with C{@} are reported.
        """
        for numbers in ("1 7200 7200 1209600 3600", "1 0 3600 1209600 3600", "1 7200 3600 9000 3600", "1 7200 3600 1209600 864000"):
            text = SOUND.replace("1 7200 3600 1209600 3600", numbers)
            self.assertIn("soa-values", checkText(text).report.counts)
        text = SOUND.replace("ns1 mail 1", "ns1 mail\\@example.org. 1")
        self.assertEqual(checkText(text).report.counts, {"soa-values": 1})

    def test_missingNSAndSOAAreReported(self) -> None:
        """
        Missing NS records are reported, and a zone without an SOA record is refused.
        """
        result = checkText("".join([line for line in SOUND.splitlines(True) if not line.startswith("@ NS")]))
        self.assertEqual((result.report.counts, result.report.fatal), ({"ns": 1}, 0))
        result = checkText("$TTL 60\n@ NS ns1\nns1 A 192.0.2.1\n")
        self.assertEqual((result.report.counts, result.version), ({"soa": 1}, None))

    def test_overlayIsChecked(self) -> None:
        """
        Changes since the image was built are checked as well.
        """
        version = versionOf("@ SOA ns. m. 1 7200 3600 1209600 60\n@ NS ns.\nwww A 192.0.2.1\n")
        self.assertEqual(check(version).counts, {})
        name = nameFromText("x.example.")
        edited = version.edited({b"\x01x": tuple(RRSet(name, rrType, 1, 60, (b"\x02ns\x00",)) for rrType in (5, 2))})
        self.assertEqual(check(edited).fatal, 1)

    def test_findingsPerCheckAreLimited(self) -> None:
        """
        The number of findings per check is limited, and the others are counted.
        """
        most = int(FINDINGS_KEPT.default)
        report = checkText(SOUND + "".join([f"n{number} CNAME nobody\n" for number in range(most + 50)])).report
        self.assertEqual((report.counts, report.omitted), ({"cname-dangling": most + 50}, {"cname-dangling": 50}))
        self.assertEqual((len(report.findings), report.warnings), (most, most + 50))

    def test_progressIsReported(self) -> None:
        """
        The progress is reported up to the end.
        """
        reports: list[tuple[int, int]] = []
        version = versionOf("@ SOA ns. m. 1 7200 3600 1209600 60\n@ NS ns.\nwww A 192.0.2.1\n")
        check(version, progress=lambda done, count: reports.append((done, count)))
        self.assertEqual(reports[-1], (2, 2))

    def test_everyCheckHasATestAndAdvice(self) -> None:
        """
        Every check has a test here and a sentence that says what would be right.
        """
        tried = {name for _, name, _ in WRONG} | {"soa-values", "ns", "reading", "rdata"}
        self.assertEqual({name for name in CHECKS if not name.startswith(("rrsig", "nsec", "dnskey"))} - tried, set())
        self.assertTrue(all(right for _, right in CHECKS.values()))
        fatal = {name for name, (level, _) in CHECKS.items() if level == FATAL}
        self.assertEqual(fatal, {"syntax", "soa", "cname-several", "cname-others", "dname-several", "ds-apex"})


PLAIN: Final = """\
@ SOA ns. mail. 1 7200 3600 1209600 300
@ NS ns.example.
ns A 192.0.2.1
*.wild A 192.0.2.2
a.b.c TXT hello
sub NS ns.sub
ns.sub A 192.0.2.3
safe NS ns.
safe DS 1 13 7 00
"""

Change = Callable[[list[RRSet]], list[RRSet]]


def without(rrType: str, owner: str, covers: str = "") -> Change:
    """
    Return a change that removes records.
    """
    number = typeNumber(rrType)
    covered = typeNumber(covers) if covers else None

    def change(sets: list[RRSet]) -> list[RRSet]:
        return [
            rrset
            for rrset in sets
            if not (
                rrset.rrType == number
                and rrset.name == nameFromText(owner)
                and (covered is None or rrset.rdatas[0][:2] == covered.to_bytes(2, "big"))
            )
        ]

    return change


def altered(rrType: str, owner: str, place: int, octets: bytes) -> Change:
    """
    Return a change that modifies octets in the rdata of a record.
    """
    number = typeNumber(rrType)

    def change(sets: list[RRSet]) -> list[RRSet]:
        done = []
        for rrset in sets:
            if rrset.rrType == number and rrset.name == nameFromText(owner):
                rdata = rrset.rdatas[0]
                start = place if place >= 0 else len(rdata) + place
                rrset = RRSet(rrset.name, rrset.rrType, 1, rrset.ttl, (rdata[:start] + octets + rdata[start + len(octets) :],))
            done.append(rrset)
        return done

    return change


def added(rrType: str, owner: str, like: str, likeOwner: str) -> Change:
    """
    Return a change that adds a copy of a record at another name.
    """

    def change(sets: list[RRSet]) -> list[RRSet]:
        (first, *_) = [each for each in sets if each.rrType == typeNumber(like) and each.name == nameFromText(likeOwner)]
        number = typeNumber(rrType)
        assert number is not None
        return [*sets, RRSet(nameFromText(owner), number, 1, first.ttl, first.rdatas)]

    return change


class ProvingTests(SynchronousTestCase):
    """
    Tests of signed zones.
    """

    def report(
        self, change: Change = lambda sets: sets, now: float | None = BEGIN + 1, *, nsec3: bool = False, optOut: bool = False
    ) -> Report:
        """
        Return the report on a signed zone after a change.
        """
        return check(Zone.fromRecords(nameFromText("example."), change(signed(PLAIN, nsec3=nsec3, optOut=optOut))).current, now=now)

    def test_signedZoneHasNoFindings(self) -> None:
        """
        A correctly signed zone has no findings, with NSEC, NSEC3 and opt-out.
        """
        for nsec3, optOut in ((False, False), (True, False), (True, True)):
            self.assertEqual([str(each) for each in self.report(nsec3=nsec3, optOut=optOut).findings], [])

    def test_signatureTimesAreChecked(self) -> None:
        """
        Signatures that have expired, are not yet valid or expire soon are reported if a time is given.
        """
        for now, name in ((END + 1, "rrsig-expired"), (BEGIN - 1, "rrsig-early"), (END - 3600, "rrsig-ending")):
            self.assertEqual(set(self.report(now=now).counts), {name})
        self.assertEqual(self.report(now=None).counts, {})

    def test_missingAndExtraSignatures(self) -> None:
        """
        Missing signatures, signatures without records and signatures of glue are reported.
        """
        for change, name in (
            (without("RRSIG", "ns.example.", "A"), "rrsig-missing"),
            (without("RRSIG", "safe.example.", "DS"), "rrsig-missing"),
            (without("A", "ns.example."), "rrsig-extra"),
            (added("RRSIG", "ns.sub.example.", "RRSIG", "ns.example."), "rrsig-extra"),
            (without("DNSKEY", "example."), "dnskey-missing"),
        ):
            self.assertIn(name, self.report(change).counts)

    def test_signatureAndKeyValuesAreChecked(self) -> None:
        """
        Signatures with a wrong key, signer, label count or TTL are reported, and so are keys that sign nothing.
        """
        for place, octets in ((16, b"\x00\x00"), (18, b"\x07exomple"), (3, b"\x09"), (4, b"\x00\x00\x00\x01")):
            counts = self.report(altered("RRSIG", "a.b.c.example.", place, octets)).counts
            self.assertEqual(set(counts), {"rrsig-values"})
        counts = self.report(altered("RRSIG", "a.b.c.example.", 2, b"\x08")).counts
        self.assertEqual(set(counts), {"rrsig-values", "rrsig-missing"})
        self.assertIn("dnskey-values", self.report(altered("DNSKEY", "example.", 2, b"\x09")).counts)
        self.assertIn("dnskey-values", self.report(altered("DNSKEY", "example.", 3, b"\x05")).counts)

    def test_nsecChainIsChecked(self) -> None:
        """
        A name missing from the NSEC chain, a wrong next name and a wrong type list are reported.
        """
        self.assertIn("nsec-missing", self.report(without("NSEC", "ns.example.")).counts)
        self.assertEqual(set(self.report(altered("NSEC", "a.b.c.example.", 1, b"xy")).counts), {"nsec-chain"})
        self.assertEqual(set(self.report(altered("NSEC", "ns.example.", -1, b"\x01")).counts), {"nsec-types"})

    def test_nsec3ChainIsChecked(self) -> None:
        """
        The NSEC3 chain is checked in the same way. Opt-out excuses missing names for delegations without DS records only.
        """
        whole = signed(PLAIN, nsec3=True)
        hashes = sorted([rrset.name for rrset in whole if rrset.rrType == 50])
        first = [rrset for rrset in whole if rrset.name == hashes[0] and rrset.rrType == 50][0]

        def leadsElsewhere(sets: list[RRSet]) -> list[RRSet]:
            """
            Make the first NSEC3 record point to another hash.
            """
            rdata = first.rdatas[0]
            other = RRSet(first.name, 50, 1, first.ttl, (rdata[:6] + bytes(20) + rdata[26:],))
            return [other if rrset is first or rrset == first else rrset for rrset in sets]

        self.assertIn("nsec-chain", self.report(leadsElsewhere, nsec3=True).counts)
        self.assertIn("nsec-missing", self.report(lambda sets: [each for each in sets if each.name != first.name], nsec3=True).counts)
        extra = RRSet(nameFromText("zz.example."), 16, 1, 300, (b"\x01x",))
        self.assertIn("nsec-missing", self.report(lambda sets: [*sets, extra], nsec3=True).counts)
        self.assertIn("nsec-missing", self.report(lambda sets: [*sets, extra], nsec3=True, optOut=True).counts)
        cut = RRSet(nameFromText("zz.example."), 2, 1, 300, (b"\x01x\x00",))
        self.assertIn("nsec-missing", self.report(lambda sets: [*sets, cut], nsec3=True).counts)
        self.assertEqual(self.report(lambda sets: [*sets, cut], nsec3=True, optOut=True).counts, {})

        octets, place = first.rdatas[0], 5 + first.rdatas[0][4]
        short = RRSet(first.name, 50, 1, first.ttl, (octets[:place] + b"\x04" + octets[place + 1 : place + 5] + octets[place + 21 :],))
        shortened = [short if (each.name, each.rrType) == (first.name, 50) else each for each in whole]
        self.assertIn("nsec3-values", self.report(lambda sets: shortened, nsec3=True).counts)
        gone = nameFromText("a.b.c.example.")
        self.assertIn("nsec-extra", self.report(lambda sets: [each for each in sets if each.name != gone], nsec3=True).counts)

    def test_optOutExcusesUnsignedDelegationsOnly(self) -> None:
        """
        Opt-out excuses a missing empty non-terminal above unsigned delegations only (RFC 5155, section 7.1).
        """
        hashes = sorted([rrset.name for rrset in signed(PLAIN, nsec3=True, optOut=True) if rrset.rrType == 50])
        self.assertEqual(len(hashes), 8)
        for name in hashes:

            def lacking(sets: list[RRSet], name: bytes = name) -> list[RRSet]:
                return [each for each in sets if each.name != name]

            self.assertIn("nsec-missing", self.report(lacking, nsec3=True, optOut=True).counts)
        cut = RRSet(nameFromText("x.y.zz.example."), 2, 1, 300, (b"\x01x\x00",))
        self.assertEqual(self.report(lambda sets: [*sets, cut], nsec3=True, optOut=True).counts, {})

    def test_manyIterationsAreReportedNotHashed(self) -> None:
        """
        More than one NSEC3 iteration is reported, and very many are not computed.
        """
        counts = self.report(altered("NSEC3PARAM", "example.", 2, b"\xff\xff"), nsec3=True).counts
        self.assertEqual(set(counts), {"nsec3-values"})

    def test_malformedRdataIsReported(self) -> None:
        """
        Malformed DNSSEC records, which may come by zone transfer, are reported and do not stop the check.
        """
        for rrType, owner in (("NSEC", "ns.example."), ("NS", "sub.example."), ("RRSIG", "ns.example."), ("DNSKEY", "example.")):
            for cut in (0, 1, 3, 5):

                def shorter(sets: list[RRSet], rrType: str = rrType, owner: str = owner, cut: int = cut) -> list[RRSet]:
                    number, name = typeNumber(rrType), nameFromText(owner)
                    done = [each for each in sets if each.rrType != number or each.name != name]
                    return [*done, *[RRSet(name, each.rrType, 1, 300, (each.rdatas[0][:cut],)) for each in sets if each not in done]]

                self.assertTrue(self.report(shorter).counts, (rrType, cut))

    def test_signaturesWithoutChainAreReported(self) -> None:
        """
        A signed zone without an NSEC chain is reported once.
        """
        counts = self.report(lambda sets: [each for each in sets if each.rrType != 47 and each.rdatas[0][:2] != b"\x00\x2f"]).counts
        self.assertEqual(counts, {"nsec-missing": 1})
