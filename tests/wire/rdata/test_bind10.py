"""
Rdata of BIND 10's unit tests: valid ones, and ones that must be refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.wire.rdata.descriptions import octetsOf
from tests.wire.rdata.reading import textAt
from twisted_ext.wire.rrtypes import typeNumber

_KEY: Final = "D2ABDE240D7CD3EE6B4B28C54DF034B97983A1D16E8A410E4561CB106618E971"
_PRINT: Final = "123456789ABCDEF67890123456789ABCDEF67890"
_HASH: Final = "d1k6gq38d1k6gq38d1k6gq38d1k6gq38"
_SOA: Final = "ns.example.com. root.example.com. 2010012601 3600 300 3600000 1200"
_TSIG: Final = "hmac-sha256. 1286978795 300 32 eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg= 2845 NOERROR 0"
_LONGEST: Final = "MB MX NSAP-PTR EID DNAME NSEC HIP ZONEMD " + " ".join(
    {103: "UNSPEC", 255: "ANY"}.get(number, f"TYPE{number}") for number in range(71, 256, 8)
)

#: Descriptions, and the text of their rdata, or L{None} for invalid rdata.
DESCRIBED: Final[dict[str, str | None]] = {
    "afsdb_fromWire1": "1 afsdb.example.com.",
    "afsdb_fromWire2": "1 afsdb.example.com.",
    "afsdb_fromWire3": None,
    "afsdb_fromWire4": None,
    "afsdb_fromWire5": None,
    "afsdb_toWire1": "1 afsdb.example.com.",
    "afsdb_toWire2": "0 root.example.com.",
    "caa_fromWire1": '0 issue "ca.example.net"',
    "caa_fromWire2": '0 ISSue "ca.example.net"',
    "caa_fromWire3": '0 issue ""',
    "caa_fromWire4": None,
    "dnskey_empty_keydata_fromWire": "\\# 4 01010305",
    "minfo_fromWire1": "rmailbox.example.com. emailbox.example.com.",
    "minfo_fromWire2": "rmailbox.example.com. emailbox.example.com.",
    "minfo_fromWire3": None,
    "minfo_fromWire4": None,
    "minfo_fromWire5": None,
    "minfo_fromWire6": None,
    "minfo_toWire1": "rmailbox.example.com. emailbox.example.com.",
    "minfo_toWire2": "root.example.com. emailbox.example.com.",
    "minfo_toWireUncompressed1": "rmailbox.example.com. emailbox.example.com.",
    "minfo_toWireUncompressed2": "root.example.com. emailbox.example.com.",
    "nsec3_fromWire1": f"1 0 1 7373737373 {_HASH} CNAME RRSIG NSEC",
    "nsec3_fromWire2": None,
    "nsec3_fromWire4": None,
    "nsec3_fromWire5": None,
    "nsec3_fromWire6": None,
    "nsec3_fromWire7": f"1 0 1 7373737373 {_HASH} {_LONGEST}",
    "nsec3_fromWire8": None,
    "nsec3_fromWire9": None,
    "nsec3_fromWire10": None,
    "nsec3_fromWire11": None,
    "nsec3_fromWire12": None,
    "nsec3_fromWire13": f"1 0 1 - {_HASH} CNAME RRSIG NSEC",
    "nsec3_fromWire14": None,
    "nsec3_fromWire15": f"1 0 1 7373737373 {_HASH}",
    "nsec3_fromWire16": f"1 0 1 7373737373 {_HASH}",
    "nsec3_fromWire17": None,
    "nsec3param_fromWire2": None,
    "nsec3param_fromWire11": None,
    "nsec3param_fromWire13": "1 0 1 -",
    "nsec_fromWire4": None,
    "nsec_fromWire5": None,
    "nsec_fromWire6": None,
    "nsec_fromWire7": f"next.example.com. {_LONGEST}",
    "nsec_fromWire8": None,
    "nsec_fromWire9": None,
    "nsec_fromWire10": None,
    # Refused by BIND 10. RFC 4035, section 2.3, has NSEC and RRSIG in every bitmap of a zone, which a validator checks. The form is valid
    # (RFC 4034, section 4.1.2), and other servers read and serve such records.
    "nsec_fromWire16": "next.example.com.",
    "rp_fromWire1": "root.example.com. rp-text.example.com.",
    "rp_fromWire2": "root.example.com. rp-text.example.net.",
    "rp_fromWire3": None,
    "rp_fromWire4": None,
    "rp_fromWire5": None,
    "rp_fromWire6": None,
    "rp_toWire1": "root.example.com. rp-text.example.com.",
    "rp_toWire2": "root.example.com. rp-text.example.net.",
    "rrsig_fromWire2": None,
    "soa_toWireUncompressed": _SOA,
    "sshfp_fromWire1": f"2 1 {_PRINT}",
    "sshfp_fromWire2": f"2 1 {_PRINT}",
    "sshfp_fromWire3": f"1 1 {_PRINT}",
    "sshfp_fromWire4": f"255 1 {_PRINT}",
    "sshfp_fromWire5": f"0 1 {_PRINT}",
    "sshfp_fromWire6": f"5 0 {_PRINT}",
    "sshfp_fromWire7": f"255 255 {_PRINT}",
    "sshfp_fromWire8": "255 255 082359342FD9",
    "tlsa_fromWire3": f"0 0 1 {_KEY}",
    "tlsa_fromWire4": f"255 0 1 {_KEY}",
    "tlsa_fromWire5": f"0 255 1 {_KEY}",
    "tlsa_fromWire6": f"0 0 255 {_KEY}",
    "tlsa_fromWire7": f"3 1 2 {_KEY}",
    "tlsa_fromWire8": "0 0 1 0123",
    "tsig_fromWire1": _TSIG,
    "tsig_fromWire2": "hmac-sha256. 1286978795 300 0 2845 BADTIME 6 AABMtb4Y",
    "tsig_fromWire3": "hmac-sha256. 1286978795 300 0 2845 BADSIG 0",
    "tsig_fromWire4": _TSIG,
    "tsig_fromWire5": None,
    "tsig_fromWire6": None,
    "tsig_fromWire7": None,
    "tsig_fromWire8": None,
    "tsig_fromWire9": None,
    "tsig_toWire1": "hmac-md5.sig-alg.reg.int. 1286779327 300 0 16020 BADKEY 0",
    "tsig_toWire2": "hmac-sha256. 1286779327 300 12 FAKEFAKEFAKEFAKE 16020 BADSIG 0",
    "tsig_toWire3": "hmac-sha1. 1286779327 300 12 FAKEFAKEFAKEFAKE 16020 BADTIME 6 FAKEFAKE",
    "tsig_toWire4": "hmac-md5.sig-alg.reg.int. 1286779327 300 0 16020 BADKEY 0",
    "tsig_toWire5": "hmac-md5.sig-alg.reg.int. 1286779327 300 0 16020 BADKEY 0",
    "txt_fromWire2": '""',
    "txt_fromWire3": '"Test-String" "Test-String"',
    "txt_fromWire4": None,
    "txt_fromWire5": None,
}

_DHCID: Final = "0LIg0LvQtdGB0YMg0YDQvtC00LjQu9Cw0YHRjCDRkdC70L7Rh9C60LA="

#: Octets in hex: the text at each offset, or L{None} for invalid rdata.
WRITTEN: Final[dict[str, dict[int, str | None]]] = {
    "caa_fromWire5": {0: None},
    "caa_fromWire6": {0: None},
    "cname_fromWire": {0: "cn.example.com.", 18: None, 36: None, 55: "cn2.example.com.", 63: None, 71: None},
    "dhcid_fromWire": {0: _DHCID},
    "dname_fromWire": {0: "dn.example.com.", 18: None, 36: None, 55: "dn2.example.com.", 63: None, 71: None},
    "ds_fromWire": {0: "12892 5 2 F1E184C0E1D615D20EB3C223ACED3B03C773DD952D5F0EB5C777586DE18DA6B5"},
    "in_a_fromWire": {0: "192.0.2.1", 6: None, 12: None, 19: None},
    "in_aaaa_fromWire": {0: "2001:db8::1234", 18: None, 36: None, 55: None},
    "mx_fromWire": {0: "10 mx.example.com."},
    "ns_fromWire": {0: "ns.example.com.", 18: None, 36: None, 55: "ns2.example.com.", 63: None, 71: None},
    "nsec3_fromWire1": {0: "1 1 1 D399EAAB h9rsfb7fpf2l8hg35cmpc765tdk23rp6 NS SOA RRSIG DNSKEY NSEC3PARAM"},
    "nsec3_fromWire3": {0: None},
    "nsec3param_fromWire1": {0: "1 1 1 D399EAAB"},
    "nsec_fromWire1": {0: "www2.isc.org. CNAME RRSIG NSEC"},
    "nsec_fromWire2": {0: None},
    "nsec_fromWire3": {0: None},
    "opt_fromWire1": {0: "\\# 0", 2: "\\# 7 002a0003000102", 11: None},
    "opt_fromWire2": {0: None},
    "opt_fromWire3": {0: None},
    "opt_fromWire4": {0: None},
    "soa_fromWire": {0: _SOA},
    "srv_fromWire": {0: "1 5 1500 a.example.com.", 23: None, 46: None, 69: None, 89: "1 5 1500 a.example.com."},
    "sshfp_fromWire": {0: f"2 1 {_PRINT}"},
    "sshfp_fromWire2": {0: f"2 1 {_PRINT}"},
    "sshfp_fromWire9": {0: None},
    "sshfp_fromWire10": {0: None},
    "sshfp_fromWire11": {0: None},
    "sshfp_fromWire12": {0: "\\# 2 0409"},
    "tlsa_fromWire": {0: f"0 0 1 {_KEY}"},
    "tlsa_fromWire2": {0: f"0 0 1 {_KEY}"},
    "tlsa_fromWire9": {0: None},
    "tlsa_fromWire10": {0: None},
    "tlsa_fromWire11": {0: None},
    "tlsa_fromWire12": {0: None},
    "txt_fromWire1": {0: '"Test-String"'},
    "unknown_fromWire": {0: "\\# 4 a1b2c30d", 6: "\\# 0", 8: None},
}


def typeOf(name: str) -> int:
    """
    Return the type whose rdata a file of that name holds.
    """
    words = name.removeprefix("in_").split("_")
    return typeNumber(words[0]) or 0xFF00


class Bind10Tests(SynchronousTestCase):
    """
    Tests with these vectors.
    """

    def folder(self) -> Path:
        """
        Return the folder of the vectors.
        """
        return corpus("bind10/src/lib/dns/tests/testdata")

    def test_describedRdataReadsAsGiven(self) -> None:
        """
        Rdata from a description reads as expected, or is refused.
        """
        for name, text in DESCRIBED.items():
            description = (self.folder() / f"rdata_{name}.spec").read_text("utf-8")
            data, start = octetsOf(description)
            bare = "rdlen: -1" in description
            found = textAt(typeOf(name), data, start, len(data) - start if bare else None)
            self.assertEqual(found, text, name)

    def test_hexRdataReadsAsGiven(self) -> None:
        """
        Rdata in hex, alone and between others, reads as its comments say, or is refused.
        """
        for name, expected in WRITTEN.items():
            text = (self.folder() / f"rdata_{name}").read_text("latin-1")
            data = bytes.fromhex("".join([line.partition("#")[0] for line in text.splitlines()]))
            for offset, wanted in expected.items():
                self.assertEqual(textAt(typeOf(name), data, offset), wanted, f"{name} at {offset}")

    def test_longKeyAndSignature(self) -> None:
        """
        A long key and a long signature are read whole.
        """
        data, _ = octetsOf((self.folder() / "rdata_dnskey_fromWire.spec").read_text("utf-8"))
        text = textAt(48, data, 0) or ""
        self.assertTrue(text.startswith("257 3 5 BEAAAAOhHQDBrhQb") and text.endswith("70aEFTd"), text)
        lines = (self.folder() / "rdata_rrsig_fromWire1").read_text("latin-1").splitlines()
        text = textAt(46, bytes.fromhex("".join([line.partition("#")[0] for line in lines])), 0) or ""
        self.assertTrue(text.startswith("A 5 2 43200 20100327070149 20100225070149 2658 isc.org. HkJk/xZT"), text)

    def test_noVectorIsSkipped(self) -> None:
        """
        No vector of rdata is skipped, except those of building, which have no length in front.
        """
        listed = {f"rdata_{name}.spec" for name in DESCRIBED} | {f"rdata_{name}" for name in WRITTEN}
        listed |= {"rdata_dnskey_fromWire.spec", "rdata_rrsig_fromWire1"}
        found = {path.name for path in self.folder().glob("rdata_*")}
        self.assertEqual(found - listed, {"rdata_dhcid_toWire", "rdata_mx_toWire1", "rdata_mx_toWire2"})
