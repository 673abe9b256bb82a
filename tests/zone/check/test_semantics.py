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
from twisted_ext.zone.check.checkfile import Vetted, vet
from twisted_ext.zone.check.findings import CHECKS, FATAL, Report
from twisted_ext.zone.check.semantics import check
from twisted_ext.zone.limits import FINDINGS_KEPT
from twisted_ext.zone.zone import Zone

#: A zone with nothing wrong in it.
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

#: What is added to it, and what is found then: check, owner and line.
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


def vetted(text: str, now: float | None = None) -> Vetted:
    """
    @return: what is found in a file of these lines.
    """
    return vet(text.encode(), nameFromText("example.org."), path="example.org.zone", now=now)


class CheckingTests(SynchronousTestCase):
    """
    Tests of single mistakes.
    """

    def test_sound(self) -> None:
        """
        Nothing is found in a zone with nothing wrong in it.
        """
        result = vetted(SOUND)
        self.assertEqual([str(finding) for finding in result.report.findings], [])
        assert result.version is not None
        self.assertEqual(result.version.serial, 1)

    def test_wrong(self) -> None:
        """
        Each mistake is found once, under the name of its check and with its level, at its name, in the line where it was made.
        """
        start = SOUND.count("\n") + 1
        self.assertEqual(vetted(SOUND + "ns9.sub A 192.0.2.9\n@ NS ns9.sub\n").report.counts, {})
        for lines, name, owner in WRONG:
            findings = [finding for finding in vetted(SOUND + lines + "\n").report.findings if finding.check == name]
            self.assertTrue(findings, lines)
            (finding,) = findings[:1]
            self.assertEqual(finding.level, CHECKS[name][0])
            self.assertEqual(finding.subject.split(" ")[0], owner, lines)
            self.assertEqual(finding.path, "example.org.zone")
            if name not in ("ttl-mixed", "repeated") and owner not in ("example.org.", "sub.example.org.", "old.example.org."):
                self.assertEqual(finding.line, start, lines)
            self.assertIn(f"[{name}]", str(finding))
            self.assertEqual(finding.toJSON()["check"], name)

    def test_nothingElse(self) -> None:
        """
        A mistake is not found under other names too, but for those that go with it.
        """
        together = {"cname-several": {"cname-others"}, "target-address": {"target-missing"}}
        for lines, name, _ in WRONG:
            others = set(vetted(SOUND + lines + "\n").report.counts) - {name} - together.get(name, set())
            self.assertLessEqual(others, {"nsec-missing", "dnskey-missing", "reading", "cname-dangling"}, lines)

    def test_resolvers(self) -> None:
        """
        How a resolver is to be asked has to be said (RFC 9461, sections 4 and 5), by a template with the variable dns where it is HTTP.
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
            counts = vetted(SOUND + f"{owner} SVCB 1 web {parameters}\n{owner} SVCB 0 web\n").report.counts
            self.assertEqual("svcb-dns" in counts, wrong, (owner, parameters))

    def test_announced(self) -> None:
        """
        Keys are announced to the zone above by CDS and CDNSKEY records that agree and are of the zone's own keys, or taken back by both.
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
            self.assertEqual(vetted(text).report.counts.get("cds-values", 0), count, lines)
        self.assertEqual(vetted(SOUND + f"@ CDS {good}\n").report.counts.get("cds-values", 0), 1)

    def test_equalTags(self) -> None:
        """
        Two keys of one algorithm with one tag are found: validators may try but one of them.
        """
        # Tags are sums of words, in whatever order.
        octets = [bytes(64), b"\x00\x01" + bytes(62), bytes(2) + b"\x00\x01" + bytes(60)]
        keys = [f"257 3 13 {b64encode(each).decode()}" for each in octets]
        tags = [DNSKEY.fromWire(rdataFromText(48, key)).keyTag for key in keys]
        text = SOUND + "".join([f"@ DNSKEY {key}\n" for key in keys])
        self.assertEqual(vetted(text).report.counts.get("dnskey-values", 0), len(tags) - len(set(tags)))
        self.assertLess(len(set(tags)), len(tags))

    def test_besideAlias(self) -> None:
        """
        What proves an alias may stand beside it, NXT and NSEC3 included.
        """
        for line in ("x NSEC3 1 0 0 - 00000000000000000000000000000000 A", "x NXT web CNAME", "x NSEC web CNAME"):
            self.assertNotIn("cname-others", vetted(SOUND + "x CNAME web\n" + line + "\n").report.counts)
        # Not so KEY, which RFC 2535 allowed: NSD, Knot and later BINDs do not take it.
        self.assertIn("cname-others", vetted(SOUND + "x CNAME web\nx KEY 512 3 13 AAAA\n").report.counts)

    def test_hashesBelowSubtree(self) -> None:
        """
        NSEC3 records are found, and to be signed, where a DNAME record at the apex leads all names below elsewhere.
        """
        name = 32 * "0"
        lines = f"{name} NSEC3 1 0 0 - {name} DNAME\n{name} RRSIG NSEC3 13 3 3600 {END} {BEGIN} 1 example.org. AAAA\n"
        head = "$ORIGIN example.org.\n$TTL 3600\n@ SOA ns1.test. mail.test. 1 7200 3600 1209600 3600\n@ NS ns1.test.\n@ DNAME a.test.\n"
        self.assertNotIn("dname-below", vetted(head + lines).report.counts)
        self.assertNotIn("rrsig-extra", vetted(head + lines).report.counts)
        self.assertIn("dname-below", vetted(head + "x A 192.0.2.1\n").report.counts)

    def test_startOfAuthority(self) -> None:
        """
        Times that cannot be meant, and a mail address with an @, are told.
        """
        for numbers in ("1 7200 7200 1209600 3600", "1 0 3600 1209600 3600", "1 7200 3600 9000 3600", "1 7200 3600 1209600 864000"):
            text = SOUND.replace("1 7200 3600 1209600 3600", numbers)
            self.assertIn("soa-values", vetted(text).report.counts)
        text = SOUND.replace("ns1 mail 1", "ns1 mail\\@example.org. 1")
        self.assertEqual(vetted(text).report.counts, {"soa-values": 1})

    def test_withoutServers(self) -> None:
        """
        NS records that are missing are told; a zone without an SOA record is none.
        """
        result = vetted("".join([line for line in SOUND.splitlines(True) if not line.startswith("@ NS")]))
        self.assertEqual((result.report.counts, result.report.fatal), ({"ns": 1}, 0))
        result = vetted("$TTL 60\n@ NS ns1\nns1 A 192.0.2.1\n")
        self.assertEqual((result.report.counts, result.version, result.image), ({"soa": 1}, None, b""))

    def test_edited(self) -> None:
        """
        What has changed since an image was built is checked as well.
        """
        version = versionOf("@ SOA ns. m. 1 7200 3600 1209600 60\n@ NS ns.\nwww A 192.0.2.1\n")
        self.assertEqual(check(version).counts, {})
        name = nameFromText("x.example.")
        edited = version.edited({b"\x01x": tuple(RRSet(name, rrType, 1, 60, (b"\x02ns\x00",)) for rrType in (5, 2))})
        self.assertEqual(check(edited).fatal, 1)

    def test_bounded(self) -> None:
        """
        Of one check so many findings are kept, and the others are counted.
        """
        most = int(FINDINGS_KEPT.default)
        report = vetted(SOUND + "".join([f"n{number} CNAME nobody\n" for number in range(most + 50)])).report
        self.assertEqual((report.counts, report.omitted), ({"cname-dangling": most + 50}, {"cname-dangling": 50}))
        self.assertEqual((len(report.findings), report.warnings), (most, most + 50))

    def test_progress(self) -> None:
        """
        Whoever waits is told how far it is, up to the end.
        """
        said: list[tuple[int, int]] = []
        version = versionOf("@ SOA ns. m. 1 7200 3600 1209600 60\n@ NS ns.\nwww A 192.0.2.1\n")
        check(version, progress=lambda done, count: said.append((done, count)))
        self.assertEqual(said[-1], (2, 2))

    def test_everyCheck(self) -> None:
        """
        There is no check without a sentence that says what is right, and none of those that are told by name is missing here.
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
    @return: what takes records away.
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
    @return: what puts other octets into the rdata of a record.
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
    @return: what adds a copy of a record at another name.
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
        @return: what is found in a signed zone after a change.
        """
        return check(Zone.fromRecords(nameFromText("example."), change(signed(PLAIN, nsec3=nsec3, optOut=optOut))).current, now=now)

    def test_sound(self) -> None:
        """
        Nothing is found in a zone that is signed as it should be, with NSEC, with NSEC3 and with opt-out.
        """
        for nsec3, optOut in ((False, False), (True, False), (True, True)):
            self.assertEqual([str(each) for each in self.report(nsec3=nsec3, optOut=optOut).findings], [])

    def test_time(self) -> None:
        """
        Signatures that have ended, that have not begun, and that are about to end are told; not so where nobody asks for a time.
        """
        for now, name in ((END + 1, "rrsig-expired"), (BEGIN - 1, "rrsig-early"), (END - 3600, "rrsig-ending")):
            self.assertEqual(set(self.report(now=now).counts), {name})
        self.assertEqual(self.report(now=None).counts, {})

    def test_coverage(self) -> None:
        """
        A set without its signature, a signature without its set, and one of what another zone signs are told.
        """
        for change, name in (
            (without("RRSIG", "ns.example.", "A"), "rrsig-missing"),
            (without("RRSIG", "safe.example.", "DS"), "rrsig-missing"),
            (without("A", "ns.example."), "rrsig-extra"),
            (added("RRSIG", "ns.sub.example.", "RRSIG", "ns.example."), "rrsig-extra"),
            (without("DNSKEY", "example."), "dnskey-missing"),
        ):
            self.assertIn(name, self.report(change).counts)

    def test_values(self) -> None:
        """
        Signatures of another key, another signer, other labels and another TTL are told; so are keys that sign nothing.
        """
        for place, octets in ((16, b"\x00\x00"), (18, b"\x07exomple"), (3, b"\x09"), (4, b"\x00\x00\x00\x01")):
            counts = self.report(altered("RRSIG", "a.b.c.example.", place, octets)).counts
            self.assertEqual(set(counts), {"rrsig-values"})
        counts = self.report(altered("RRSIG", "a.b.c.example.", 2, b"\x08")).counts
        self.assertEqual(set(counts), {"rrsig-values", "rrsig-missing"})
        self.assertIn("dnskey-values", self.report(altered("DNSKEY", "example.", 2, b"\x09")).counts)
        self.assertIn("dnskey-values", self.report(altered("DNSKEY", "example.", 3, b"\x05")).counts)

    def test_chain(self) -> None:
        """
        A name that the NSEC chain leaves out, a record that leads elsewhere and a list of other types are told.
        """
        self.assertIn("nsec-missing", self.report(without("NSEC", "ns.example.")).counts)
        self.assertEqual(set(self.report(altered("NSEC", "a.b.c.example.", 1, b"xy")).counts), {"nsec-chain"})
        self.assertEqual(set(self.report(altered("NSEC", "ns.example.", -1, b"\x01")).counts), {"nsec-types"})

    def test_hashedChain(self) -> None:
        """
        The same for NSEC3; and a name that nobody has hashed, which a span with opt-out excuses for delegations without DS only.
        """
        whole = signed(PLAIN, nsec3=True)
        hashes = sorted([rrset.name for rrset in whole if rrset.rrType == 50])
        first = [rrset for rrset in whole if rrset.name == hashes[0] and rrset.rrType == 50][0]

        def leadsElsewhere(sets: list[RRSet]) -> list[RRSet]:
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

    def test_optOut(self) -> None:
        """
        Opt-out excuses no empty non-terminal above a name that is in the chain (RFC 5155, section 7.1), but one above left out delegations.
        """
        hashes = sorted([rrset.name for rrset in signed(PLAIN, nsec3=True, optOut=True) if rrset.rrType == 50])
        self.assertEqual(len(hashes), 8)
        for name in hashes:

            def lacking(sets: list[RRSet], name: bytes = name) -> list[RRSet]:
                return [each for each in sets if each.name != name]

            self.assertIn("nsec-missing", self.report(lacking, nsec3=True, optOut=True).counts)
        cut = RRSet(nameFromText("x.y.zz.example."), 2, 1, 300, (b"\x01x\x00",))
        self.assertEqual(self.report(lambda sets: [*sets, cut], nsec3=True, optOut=True).counts, {})

    def test_iterations(self) -> None:
        """
        More rounds than one are told, and so many that hashing takes long are not followed.
        """
        counts = self.report(altered("NSEC3PARAM", "example.", 2, b"\xff\xff"), nsec3=True).counts
        self.assertEqual(set(counts), {"nsec3-values"})

    def test_malformed(self) -> None:
        """
        Records that have not the form of their type, as they can come by transfer, are told and keep nobody from the rest.
        """
        for rrType, owner in (("NSEC", "ns.example."), ("NS", "sub.example."), ("RRSIG", "ns.example."), ("DNSKEY", "example.")):
            for cut in (0, 1, 3, 5):

                def shorter(sets: list[RRSet], rrType: str = rrType, owner: str = owner, cut: int = cut) -> list[RRSet]:
                    number, name = typeNumber(rrType), nameFromText(owner)
                    done = [each for each in sets if each.rrType != number or each.name != name]
                    return [*done, *[RRSet(name, each.rrType, 1, 300, (each.rdatas[0][:cut],)) for each in sets if each not in done]]

                self.assertTrue(self.report(shorter).counts, (rrType, cut))

    def test_withoutChain(self) -> None:
        """
        A zone with signatures and without a chain can prove nothing, which is told.
        """
        counts = self.report(lambda sets: [each for each in sets if each.rrType != 47 and each.rdatas[0][:2] != b"\x00\x2f"]).counts
        self.assertEqual(counts, {"nsec-missing": 1})
