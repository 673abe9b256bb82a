"""
Tests of L{twisted_ext.dnssec.anchors.formats}: all formats, errors, and octets from anywhere.
"""

from __future__ import annotations

from hashlib import sha256
from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec.algorithms import TESTING
from twisted_ext.dnssec.anchors import formats
from twisted_ext.dnssec.anchors.formats import anchorsFromFile
from twisted_ext.dnssec.keys import ZoneKey, keyTag
from twisted_ext.dnssec.times import timeFromText
from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS, Anchor
from twisted_ext.errors import BadDescription
from twisted_ext.limits import Limit
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rrtypes import DNSKEY, DS

NOW = timeFromText("2026-11-21")

#: The root's keys that sign keys, as in C{/usr/share/dns/root.key} of Debian's dns-root-data 2024071801 and in bind.keys of BIND 9.20.
KEY_2017 = (
    "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaS"
    "nIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1"
    "uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU="
)
KEY_2024 = (
    "AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMYSj"
    "H8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHmbrxl"
    "FzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc="
)

#: The digests as in C{/usr/share/dns/root.ds}, in Unbound's unbound-anchor.c and in IANA's root-anchors.xml.
DS_2017 = "20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"
DS_2024 = "38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16"

XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<TrustAnchor id="380DC50D-484E-40D0-A3AE-68F2B18F61C7" source="http://data.iana.org/root-anchors/root-anchors.xml">
  <Zone>.</Zone>
  <KeyDigest id="Kjqmt7v" validFrom="2010-07-15T00:00:00+00:00" validUntil="2019-01-11T00:00:00+00:00">
    <KeyTag>19036</KeyTag>
    <Algorithm>8</Algorithm>
    <DigestType>2</DigestType>
    <Digest>49AAC11D7B6F6446702E54A1607371607A1A41855200FD2CE1CDDE32F24E8FB5</Digest>
  </KeyDigest>
  <KeyDigest id="Klajeyz" validFrom="2017-02-02T00:00:00+00:00">
    <KeyTag>20326</KeyTag>
    <Algorithm>8</Algorithm>
    <DigestType>2</DigestType>
    <Digest>{DS_2017.split()[3]}</Digest>
    <PublicKey>{KEY_2017}</PublicKey>
    <Flags>257</Flags>
  </KeyDigest>
  <KeyDigest id="Kmyv6jo" validFrom="2024-07-18T00:00:00+00:00">
    <KeyTag>38696</KeyTag>
    <Algorithm>8</Algorithm>
    <DigestType>2</DigestType>
    <Digest>{DS_2024.split()[3]}</Digest>
  </KeyDigest>
</TrustAnchor>
"""

BIND = f"""
# The keys of the root. /* not a comment */
/* trust-anchors {{ is
   a comment here */
trust-anchors {{
        // The older one
        . initial-key 257 3 8 "{KEY_2017[:56]}
                {KEY_2017[56:]}";
        "." initial-ds {DS_2024[:10]} "{DS_2024[10:]}";
        example.com. static-key 257 3 13 "mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==";
        example.org static-ds 370 13 2 BE74359954660069D5C63D200C39F5603827D7DD02B56F120EE9F3A86764247C;
}};
"""

AUTOTRUST = f"""; autotrust trust anchor file
;;id: . 1
;;last_queried: 1792000000 ;;Tue Oct 13 2026
;;next_probe_time: 1792040000 ;;Tue Oct 13 2026
;;query_failed: 0
.\t86400\tIN\tDNSKEY\t257 3 8 {KEY_2024} ;{{id = 38696 (ksk), size = 2048b}} ;;state=2 [  VALID  ] ;;count=0 ;;lastchange=1739000000
.\t86400\tIN\tDNSKEY\t257 3 8 {KEY_2017} ;{{id = 20326 (ksk), size = 2048b}} ;;state=1 [ ADDPEND ] ;;count=0 ;;lastchange=1739000000
"""


def key(text: str) -> bytes:
    return rdataFromText(DNSKEY, f"257 3 8 {text}")


def faultOf(content: str | bytes, now: int = NOW) -> str:
    """
    Return the error of a file that is not valid.
    """
    try:
        anchorsFromFile(content, "ta", now)
    except BadDescription as error:
        return error.text
    raise AssertionError("no error")


class RootTests(SynchronousTestCase):
    """
    The built-in trust anchors.
    """

    def test_digestsAreThoseOfTheRootsKeys(self) -> None:
        """
        The built-in digests are those that IANA, Debian and Unbound publish, and those of the keys that Debian and BIND publish.
        """
        for anchor, tag, text, digest in zip(ROOT_ANCHORS, (20326, 38696), (KEY_2017, KEY_2024), (DS_2017, DS_2024), strict=True):
            self.assertEqual((anchor.zone, anchor.rrType, anchor.tag, anchor.managed), (ROOT, DS, tag, True))
            self.assertEqual(anchor.rdata, rdataFromText(DS, digest))
            self.assertEqual(anchor.rdata[4:], sha256(ROOT + key(text)).digest())
            self.assertEqual(keyTag(key(text)), tag)
            self.assertEqual(ZoneKey.fromRdata(key(text)).problem, "")


class FormatTests(SynchronousTestCase):
    """
    Tests for L{anchorsFromFile}.
    """

    def test_digestFiles(self) -> None:
        """
        Lines as in root.ds, with or without TTL and class, give the anchors.
        """
        text = f". IN DS {DS_2017}\n.\t3600 DS {DS_2024}  ; a comment\n\n"
        self.assertEqual(anchorsFromFile(text, "root.ds", NOW).anchors, ROOT_ANCHORS)
        self.assertEqual(anchorsFromFile(b"\xef\xbb\xbf" + text.encode(), "root.ds", NOW).anchors, ROOT_ANCHORS)

    def test_keyFiles(self) -> None:
        """
        Keys may span lines, follow $ORIGIN, repeat the last owner, and stand among signatures, as in the output of dig.
        """
        text = f"""
; <<>> DiG <<>> DNSKEY .
$TTL 3600
$ORIGIN example.com.
@ DNSKEY 257 3 8 ( {KEY_2017[:60]} ; key
    {KEY_2017[60:]} )
    DNSKEY 257 3 8 {KEY_2024}
    RRSIG DNSKEY 8 2 3600 20261201000000 20261101000000 20326 example.com. AAAA
sub DS {DS_2017}
"""
        zone = nameFromText("example.com")
        self.assertEqual(
            anchorsFromFile(text, "key", NOW).anchors,
            (
                Anchor(zone, DNSKEY, key(KEY_2017)),
                Anchor(zone, DNSKEY, key(KEY_2024)),
                Anchor(nameFromText("sub.example.com"), DS, rdataFromText(DS, DS_2017)),
            ),
        )

    def test_bindKeys(self) -> None:
        """
        Of BIND's statement, names, keywords, comments and data over several lines are read; static anchors are not managed.
        """
        found = anchorsFromFile(BIND, "bind.keys", NOW).anchors
        self.assertEqual(found[0], Anchor(ROOT, DNSKEY, key(KEY_2017), True))
        self.assertEqual(found[1], ROOT_ANCHORS[1])
        self.assertEqual([(anchor.rrType, anchor.managed) for anchor in found[2:]], [(DNSKEY, False), (DS, False)])
        self.assertEqual(found[3].zone, nameFromText("example.org"))

    def test_earlierStatementsOfBIND(self) -> None:
        """
        The statements of earlier versions are read.
        """
        text = f'managed-keys {{ . initial-key 257 3 8 "{KEY_2017}"; }};\ntrusted-keys {{ example. 257 3 8 "{KEY_2024}"; }};'
        found = anchorsFromFile(text, "bind.keys", NOW).anchors
        self.assertEqual([(anchor.tag, anchor.managed) for anchor in found], [(20326, True), (38696, False)])

    def test_stateOfUnbound(self) -> None:
        """
        Of Unbound's state file, only keys that are trusted are used.
        """
        found = anchorsFromFile(AUTOTRUST, "root.key", NOW)
        self.assertEqual(found.anchors, (Anchor(ROOT, DNSKEY, key(KEY_2024)),))
        self.assertEqual(found.remarks, ("root.key:7: a key of . in state 1 is not trusted; it is not used",))

    def test_xml(self) -> None:
        """
        Of IANA's file, the anchors that are valid at the time are used.
        """
        self.assertEqual(anchorsFromFile(XML, "root-anchors.xml", NOW).anchors, ROOT_ANCHORS)
        self.assertEqual(
            anchorsFromFile(XML.encode(), "root-anchors.xml", NOW).remarks,
            ("root-anchors.xml:4: DS 19036 was valid until 2019-01-11T00:00:00Z; it is not used",),
        )
        later = XML.replace("2019-01-11", "2022-01-11")
        for date, tags in (("2021-12-31", [19036, 20326]), ("2022-01-11", [20326]), ("2024-07-18", [20326, 38696])):
            found = anchorsFromFile(later, "root-anchors.xml", timeFromText(date)).anchors
            self.assertEqual([anchor.tag for anchor in found], tags)

    def test_xmlWithoutAClock(self) -> None:
        """
        A machine whose clock is at 1970 starts with all keys but those that have ended since.
        """
        self.assertEqual(anchorsFromFile(XML, "root-anchors.xml", 7).anchors, ROOT_ANCHORS)

    def test_unusableAnchorsAreRemarked(self) -> None:
        """
        Revoked keys, and algorithms and digests that the validator does not support, are left out.
        """
        revoked = f". DNSKEY 385 3 8 {KEY_2017}"
        text = f"{revoked}\n. DS 1 5 2 {'00' * 32}\n. DS 1 8 3 {'00' * 32}\n. DS {DS_2024}"
        found = anchorsFromFile(text, "ta", NOW)
        self.assertEqual(found.anchors, ROOT_ANCHORS[1:])
        self.assertEqual(
            found.remarks,
            (
                "ta:1: key 20454 of . is revoked; it is not used",
                "ta:2: DS record of .: algorithm RSASHA1 is not supported; it is not used",
                "ta:3: DS record of .: digest GOST R 34.11-94 is not supported; it is not used",
            ),
        )
        self.assertEqual(len(anchorsFromFile(text, "ta", NOW, TESTING).anchors), 2)


class ErrorTests(SynchronousTestCase):
    """
    Errors are one line each: where, what, and what would be right.
    """

    def test_errorsOfRecords(self) -> None:
        """
        Each error in lines of records names the line.
        """
        for content, expected in (
            ("", "ta: no usable trust anchor in this file; a DS or DNSKEY record, "),
            ("; nothing\n", "ta: no usable trust anchor in this file; "),
            (". IN A 192.0.2.1", "ta:1: a record of type A; DS or DNSKEY was expected"),
            (f"\n. CH DS {DS_2017}", "ta:2: a record of class CH; class IN was expected"),
            (f"    DS {DS_2017}", "ta:1: the line begins with a blank, but no line before it has the name of a zone; "),
            (". DS 20326 8 2 E06D", "ta:1: the digest has 2 octets; a digest of type 2 has 32"),
            (". DS 20326 8 2 xx", "ta:1: "),
            (f". DNSKEY 1 3 8 {KEY_2017}", "ta:1: flags 1 are not those of a key of a zone; 257, or 256, was expected"),
            (f". DNSKEY 257 2 8 {KEY_2017}", "ta:1: protocol 2 is not that of DNSSEC; 3 was expected"),
            (f". DNSKEY 257 3 8 ( {KEY_2017}", "ta:1: a parenthesis is opened and never closed; "),
            (f". DNSKEY 257 3 8 {KEY_2017} )", "ta:1: a parenthesis is closed that was never opened; "),
            ("$INCLUDE other.key", "ta:1: '$INCLUDE other.key' where $ORIGIN with a name, "),
            (f". DNSKEY 385 3 8 {KEY_2017}", "ta: no usable trust anchor in this file (key 20454 of . is revoked; it is not used); "),
            (b"\n. DS \xff", "ta:2: octet 255 is not UTF-8 text; "),
            (";;REVOKED\n;;id: . 1\n", "ta: ;;REVOKED says that all keys of the zone are revoked (RFC 5011); "),
            (f". DS {DS_2017}\nhello\n. DS {DS_2024} x", "ta:2: "),
        ):
            with self.subTest(content=content):
                self.assertTrue(faultOf(content).startswith(expected), faultOf(content))

    def test_errorsOfStatements(self) -> None:
        """
        Each error in BIND's statements names the line.
        """
        for content, expected in (
            ("trust-anchors", "ta:1: '' where { was expected after trust-anchors"),
            ("trust-anchors {", "ta:1: the file ends within braces; write }; at the end"),
            ("trust-anchors { . };", "ta:1: the entry has no semicolon at its end; NAME initial-key|"),
            ("trust-anchors {\n. 257 3 8 AAAA;\n};", "ta:2: '. 257 3 8 AAAA' where NAME initial-key|"),
            ("trust-anchors {\n. initial-key 257 3;\n};", "ta:2: '. 257 3' where NAME initial-key|"),
            ('trust-anchors {\n. initial-key 257 3 8 "AA;\n};', "ta:2: a quote is opened and never closed; "),
            ("trust-anchors {\n. initial-ds 1 8 2 00; };", "ta:2: the digest has 1 octets; a digest of type 2 has 32"),
            ("trust-anchors {\n. initial-ds 1 8 2 0z; };", "ta:2: "),
            ("trust-anchors { };", "ta: no usable trust anchor in this file; "),
            ("trust-anchors { };\noptions { };", "ta:2: 'options' where trust-anchors, dnssec-keys, "),
            ("trusted-keys { { };", "ta:1: a brace where NAME initial-key|"),
            (f'trusted-keys {{ a..b 257 3 8 "{KEY_2017}"; }};', "ta:1: 'a..b': a label is empty; "),
        ):
            with self.subTest(content=content):
                self.assertTrue(faultOf(content).startswith(expected), faultOf(content))

    def test_errorsOfXML(self) -> None:
        """
        Each error in XML names the line.
        """
        for content, expected in (
            ("<a/>", "ta:1: the document is a <a>; a <TrustAnchor> was expected (RFC 9718)"),
            ("<TrustAnchor>", "ta:1: no element found; an XML document as in RFC 9718 was expected"),
            ("<TrustAnchor/>", "ta:1: the <Zone>: the name is empty; the root is '.'"[:14]),
            (XML.replace("<KeyTag>20326</KeyTag>", ""), "ta:10: <KeyDigest>: there is no <KeyTag>; <KeyTag>, "),
            (XML.replace("<KeyTag>20326", "<KeyTag>x"), "ta:10: <KeyDigest>: "),
            (XML.replace("E06D44", "E06D45"), "ta:10: <KeyDigest>: the <Digest> is not that of the <PublicKey>; "),
            (XML.replace("2017-02-02T", "2017-22-02T"), "ta:10: <KeyDigest>: validFrom '2017-22-02T00:00:00+00:00' is not a valid time; "),
            (XML[:400], "ta:"),
        ):
            with self.subTest(content=content):
                self.assertTrue(faultOf(content).startswith(expected), faultOf(content))
        future = XML.replace("2017-02-02", "2027-02-02").replace("2024-07-18", "2034-07-18")
        self.assertIn("DS 20326 is valid from 2027-02-02T00:00:00Z; it is not used; DS 38696 is valid from 2034-07-18", faultOf(future))

    def test_entitiesAreRefused(self) -> None:
        """
        A document that declares entities is refused before any is expanded (CVE-2003-1564, CVE-2013-0340).
        """
        laughs = "".join([f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 10)])
        for declaration in (
            f'<!DOCTYPE TrustAnchor [<!ENTITY l0 "ha">{laughs}]>',
            '<!DOCTYPE TrustAnchor [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
            '<!DOCTYPE TrustAnchor SYSTEM "http://192.0.2.1/evil.dtd">',
        ):
            text = f"<?xml version='1.0'?>\n{declaration}\n<TrustAnchor><Zone>&l9;</Zone></TrustAnchor>"
            self.assertEqual(
                faultOf(text), "ta:2: a document type or entity is declared, which is not allowed; a document without any was expected"
            )
        self.assertIn("undefined entity", faultOf("<TrustAnchor><Zone>&l9;</Zone></TrustAnchor>"))

    def test_nestingIsLimited(self) -> None:
        """
        Elements cannot be nested without end.
        """
        self.assertIn("more than 16 elements are nested", faultOf("<TrustAnchor>" + "<a>" * 100_000))

    def test_largeFilesAreRefused(self) -> None:
        """
        A file beyond the limit is not read; with the limit off, it is.
        """
        text = "\n" * (1 << 20) + f". DS {DS_2017}"
        self.assertIn(f"ta: the file has {len(text)} octets; at most 1048576 are allowed", faultOf(text))
        with patch.object(formats, "ANCHOR_FILE_OCTETS", Limit(default=1 << 24, least=1, most=1 << 24)):
            self.assertEqual(len(anchorsFromFile(text, "ta", NOW).anchors), 1)

    def test_repetitiveContentIsReadOnce(self) -> None:
        """
        Half a megabyte of any beginning is read in a time that grows with its length; otherwise this test would not end.
        """
        for piece in ("#", "//", "/**/", "/*", "# \n", " ", "(", '"', "\\", "<", "{", "trust-anchors {", ". DS "):
            content = (piece * (1 << 19))[: 1 << 19]
            with self.subTest(piece=piece):
                self.assertTrue(faultOf(content).startswith("ta:"))

    def test_manyAnchorsAreRefused(self) -> None:
        """
        More anchors than the limit are an error.
        """
        text = "".join([f"{number}.example. DS {DS_2017}\n" for number in range(1001)])
        self.assertEqual(faultOf(text), "ta: 1001 trust anchors; at most 1000 are allowed")

    def test_manyErrorsAreCutShort(self) -> None:
        """
        Of a file that is something else, only the first errors are reported.
        """
        self.assertEqual(len(faultOf("garbage here\n" * 1000).splitlines()), 20)

    @given(
        st.one_of(
            st.binary(max_size=300),
            st.text(max_size=300),
            st.text("<>&;/TrustAnchorZoneKeyDigest \"'=!-[]", max_size=200).map("<".__add__),
            st.text("{};\"' .0123456789/*#abc\n", max_size=200).map("trust-anchors {".__add__),
            st.lists(st.sampled_from([*AUTOTRUST.split(), "\n", "(", ")", ";", '"', "\\", "$ORIGIN", "$TTL"]), max_size=40).map(" ".join),
        )
    )
    @example("<TrustAnchor>\ud800</TrustAnchor>")
    @example("/*" * 200)
    def test_noOtherExceptionForAnyContent(self, content: str | bytes) -> None:
        """
        Whatever a file contains, it gives anchors or an error with its name in each line.
        """
        try:
            found = anchorsFromFile(content, "ta", NOW)
        except BadDescription as error:
            for line in error.text.split("\n"):
                self.assertTrue(line.startswith("ta:"), line)
        else:
            self.assertTrue(found.anchors)
