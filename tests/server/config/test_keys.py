"""
Tests of the syntax of keys, grants and remote servers.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadDescription
from twisted_ext.packetcache.doors import doorAt
from twisted_ext.server.config.keys import Grants, Keys, RemoteServer, TLSPeer
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.transferpolicy import termsOf
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.load.validate import checkZones
from twisted_ext.transport.tls.terms import pinFromText
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.tsig import ALGORITHMS

#: A pin of some key.
PIN = "A" * 43 + "="


class KeysTests(SynchronousTestCase):
    """
    Tests for L{Keys}.
    """

    def write(self, text: str) -> str:
        """
        Return the path of a file with this text.
        """
        path = Path(self.mktemp())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def test_keyFileFormats(self) -> None:
        """
        A key file may have one key on each line, or blocks as written by the tools of BIND and Knot.
        """
        keys = Keys.fromFile(
            self.write(
                '# hmac-sha256:comment\nhmac-sha512:one:c2VjcmV0\ntwo:c2VjcmV0\nkey "three" {\n\talgorithm hmac-sha384;\n'
                '\tsecret "c2VjcmV0";\n};\nkey four. { secret c2VjcmV0; }\n'
            )
        )
        self.assertEqual({name: key.algorithm for name, key in keys.items()}, {
            b"\x03one\x00": ALGORITHMS["hmac-sha512"],
            b"\x03two\x00": ALGORITHMS["hmac-sha256"],
            b"\x05three\x00": ALGORITHMS["hmac-sha384"],
            b"\x04four\x00": ALGORITHMS["hmac-sha256"],
        })  # fmt: skip
        self.assertEqual(keys.named("ONE").secret, b"secret")

    def test_invalidKeyIsRefusedWithoutSecret(self) -> None:
        """
        An error in a key file names the file and what is wrong, and never quotes a secret.
        """
        for text, said in (
            ("one:c2VjcmV0\n} nonsense", "line 2"),
            ("key x { algorithm hmac-sha256; };", "no secret"),
            ("hmac-sha3:one:c2VjcmV0", "hmac-sha3"),
            ("one:c2VjcmV0\none:c2VjcmV0", "two"),
            ("one:se!cr=et", "base64"),
            ("hmac-md5:one:c2VjcmV0", "too weak"),
            ("hmac-sha1:one:c2VjcmV0", "too weak"),
        ):
            path = self.write(text)
            with self.assertRaises(BadDescription) as caught:
                Keys.fromFile(path)
            self.assertIn(said, str(caught.exception))
            self.assertIn(path, str(caught.exception))
            self.assertNotIn("c2VjcmV0", str(caught.exception))
        self.assertEqual(len(Keys.fromFile(self.write("hmac-md5:one:c2VjcmV0"), weak=True)), 1)
        self.assertRaises(BadDescription, Keys.fromFile, "/nonexistent/keys")

    def test_worldReadableKeyFileIsReported(self) -> None:
        """
        A key file that every user can read is reported with the command that fixes it; one that every user can write to is refused.
        """
        path = self.write("one:c2VjcmV0")
        for mode in (0o600, 0o640, 0o660):
            os.chmod(path, mode)
            self.assertEqual(Keys.fromFile(path).exposed, "")
        for mode in (0o644, 0o604):
            os.chmod(path, mode)
            self.assertEqual(
                Keys.fromFile(path).exposed,
                f"{path}: every user of this machine can read the secrets in it (mode {mode:o}): chmod 640 {path}",
            )
        for mode in (0o666, 0o602):
            os.chmod(path, mode)
            fault = self.assertRaises(BadDescription, Keys.fromFile, path)
            self.assertIn(f"every user of this machine can write to it, and so choose the keys: chmod 640 {path}", str(fault))

    def test_remoteServerSyntax(self) -> None:
        """
        A remote server is written with an address, a port and a key.
        """
        keys = Keys.fromTexts(["one:c2VjcmV0"])
        remote = RemoteServer.fromText("[2001:db8::1]:5353 key=one", keys)
        self.assertEqual((remote.server.label, remote.key), ("[2001:db8::1]:5353", keys.named("one")))
        self.assertIsNone(RemoteServer.fromText("192.0.2.1", keys).key)
        for text in ("", "example.org", "192.0.2.1 key=two", "192.0.2.1 one", "192.0.2.1 key"):
            self.assertRaises(BadDescription, RemoteServer.fromText, text, keys)


    def test_TLSServerSyntax(self) -> None:
        """
        A TLS server is written as a URL; without a port it is 853. What it has to prove follows as words.
        """
        keys = Keys.fromTexts(["one:c2VjcmV0"])
        remote = RemoteServer.fromText(f"tls://[2001:db8::1]#NS1.example pins={PIN},sha256/{PIN} key=one", keys)
        assert remote.tls is not None
        self.assertEqual((remote.server.label, remote.key), ("[2001:db8::1]:853", keys.named("one")))
        self.assertEqual((remote.tls.name, len(remote.tls.pins), remote.tls.protocolNeeded), ("ns1.example", 1, True))
        plain = RemoteServer.fromText("tls://192.0.2.1:8853 alpn=no", keys)
        assert plain.tls is not None
        self.assertEqual((plain.server.label, plain.tls.protocolNeeded, plain.tls.name), ("192.0.2.1:8853", False, ""))
        self.assertNotEqual(remote.identity, plain.identity)

    def test_wrongTLSServersAreRefused(self) -> None:
        """
        Wrong URLs, words and files are errors in one line that say what would be right.
        """
        keys = Keys()
        for text, words in (
            ("tls://ns1.example", "given by its address; its name can follow: tls://192.0.2.1#ns1.example"),
            ("https://192.0.2.1", "write tls://, not https://"),
            ("quic://192.0.2.1", "write tls://, not quic://"),
            ("tls://192.0.2.1/path", "has no path"),
            ("tls://192.0.2.1:0", "from 1 to 65535"),
            ("tls://192.0.2.1#", "after # comes the name"),
            ("tls://192.0.2.1 pins=short", "not a valid pin"),
            ("tls://192.0.2.1 pin=x", "only key, pins, ca, certificate, private-key, alpn may follow the URL"),
            ("tls://192.0.2.1 ca=/nowhere/ca.pem", "/nowhere/ca.pem: cannot read"),
            ("tls://192.0.2.1 private-key=/nowhere", "needs its certificate"),
            (f"tls://192.0.2.1 pins={PIN} ca=/nowhere", "with pins alone, no authority is asked"),
            ("tls://192.0.2.1 alpn=yes", "alpn takes no"),
            ("tls://192.0.2.1 key=a key=b", "key is given twice"),
            ("192.0.2.1 ca=/nowhere", "only key=NAME may follow the address"),
        ):
            fault = str(self.assertRaises(BadDescription, RemoteServer.fromText, text, keys))
            self.assertIn(words, fault)
            self.assertNotIn("\n", fault)

    def test_filesOfServersAreBesideTheSettings(self) -> None:
        """
        Paths in a server's words are relative to the folder of the settings file.
        """
        table = {"name": "example.org", "primaries": ["tls://192.0.2.1 ca=ca.pem key=one certificate=/own.pem"]}
        zone = ZoneSettings.fromTable(table, "/etc/txdns")
        self.assertEqual(zone.primaries, ("tls://192.0.2.1 ca=/etc/txdns/ca.pem key=one certificate=/own.pem",))
        self.assertEqual(ZoneSettings.fromText(zone.toText()).primaries, zone.primaries)


class GrantsTests(SynchronousTestCase):
    """
    Tests for L{Grants}.
    """

    def test_grantsMatchAddressAndKey(self) -> None:
        """
        A grant matches a network, a key or both, and no other client.
        """
        key = nameFromText("one.key")
        for texts, allowed in (
            ((), []),
            (("any",), ["192.0.2.1", "192.0.2.1 key", "2001:db8::1", "198.51.100.1"]),
            (("192.0.2.0/24",), ["192.0.2.1", "192.0.2.1 key"]),
            (("key=One.Key",), ["192.0.2.1 key"]),
            (("192.0.2.0/24 key=one.key",), ["192.0.2.1 key"]),
            (("198.51.100.0/24 key=one.key", "2001:db8::/32"), ["2001:db8::1"]),
            (("any key=other",), []),
        ):
            grants = Grants.fromTexts(texts)
            asked = ["192.0.2.1", "192.0.2.1 key", "2001:db8::1", "198.51.100.1"]
            found = [each for each in asked if grants.allows(each.split()[0], key if "key" in each else b"")]
            self.assertEqual(found, allowed, texts)
        self.assertFalse(Grants.fromTexts(["192.0.2.0/24"]).allows("", b""))
        self.assertTrue(Grants.fromTexts(["192.0.2.0/24"]).allows("::ffff:192.0.2.1"))
        self.assertTrue(Grants.fromTexts(["fe80::/10"]).allows("fe80::1%eth0"))

    def test_grantsMatchTransportAndCertificate(self) -> None:
        """
        C{tls} matches encrypted transports, C{certificate} and C{pin} a client's certificate; all parts of a grant are required.
        """
        pin = pinFromText(PIN)
        peers = {
            "clear": None,
            "old": TLSPeer(False, ("ns2.example",), pin),
            "tls": TLSPeer(True),
            "name": TLSPeer(True, ("ns2.example", "192.0.2.1"), bytes(31) + b"\x01"),
            "pin": TLSPeer(True, ("ns3.example",), pin),
            "both": TLSPeer(True, ("ns2.example",), pin),
        }
        for text, allowed in (
            ("any", "clear old tls name pin both"),
            ("tls", "tls name pin both"),
            ("certificate=NS2.example.", "name both"),
            ("certificate=192.0.2.1", "name"),
            (f"pin={PIN}", "pin both"),
            (f"tls certificate=ns2.example pin={PIN} 192.0.2.0/24", "both"),
            ("198.51.100.0/24 tls", ""),
            ("key=one tls", ""),
        ):
            grants = Grants.fromTexts([text])
            self.assertEqual([name for name, peer in peers.items() if grants.allows("192.0.2.1", b"", peer)], allowed.split(), text)
            self.assertEqual(grants.needsCertificates, "certificate" in text or "pin" in text)

    def test_grantsMatchPort(self) -> None:
        """
        C{port} matches the port of this server that a client comes in by, beside all other parts.
        """
        every = [0, 53, 853, 8853]
        for text, allowed in (("port=853", [853]), ("192.0.2.0/24 port=853", [853]), ("198.51.100.1 port=853", []), ("any", every)):
            grants = Grants.fromTexts([text])
            doors = {port: doorAt("192.0.2.53", port) for port in every}
            self.assertEqual([port for port, door in doors.items() if grants.allows("192.0.2.1", b"", None, door)], allowed, text)
        self.assertFalse(Grants.fromTexts(["port=853"]).allows("192.0.2.1"))

    def test_certificatesNeedAuthorities(self) -> None:
        """
        A grant by certificate without authorities for certificates, and encrypted transfers without a listener for them, are errors.
        """
        zone = {"name": "example.org", "file": "example.org"}
        for said, words in (
            ({"allow-transfer": ["certificate=ns2.example"]}, "certificate and pin need client-ca"),
            ({"allow-notify": [f"pin={PIN}"]}, "certificate and pin need client-ca"),
            ({"allow-update": [f"pin={PIN}"]}, "certificate and pin need client-ca"),
            ({"allow-update": ["tls"]}, "allow-update needs rules in update"),
            ({"allow-transfer": ["any"], "encrypted-transfers": True}, "encrypted-transfers with allow-transfer needs tls"),
        ):
            fault = str(self.assertRaises(BadDescription, checkZones, Settings(), [ZoneSettings.fromTable({**zone, **said})]))
            self.assertIn(words, fault)
        own = {"name": "example.org", "primaries": ["192.0.2.1"], "encrypted-transfers": True}
        fault = str(self.assertRaises(BadDescription, checkZones, Settings(), [ZoneSettings.fromTable(own)]))
        self.assertIn("with encrypted-transfers, a primary is given by a URL", fault)

    def test_invalidGrantIsRefused(self) -> None:
        """
        An invalid grant is an error.
        """
        for text in (
            "", "192.0.2.1/24", "example.org", "key=a..b", "192.0.2.0/33", "certificate=", "certificate=*.x", "pin=x", "tls=yes",
            "port=0", "port=65536", "port=x", "port=",
        ):  # fmt: skip
            self.assertRaises(BadDescription, Grants.fromTexts, [text])

    def test_unknownKeyInGrantIsRefused(self) -> None:
        """
        A grant for a key that the server does not have is an error in every setting, since it would never match.
        """
        keys = Keys.fromTexts(["there:c2VjcmV0"])
        self.assertTrue(Grants.fromTexts(["key=THERE"], keys).allows("192.0.2.1", b"\x05there\x00"))
        for name in ("allow-transfer", "one-answer", "allow-notify"):
            zone = ZoneSettings.fromTable({"name": "example.org", "file": "example.org", name: ["192.0.2.1 key=their"]})
            with self.assertRaises(BadDescription) as caught:
                termsOf(zone, keys)
            self.assertEqual(
                str(caught.exception),
                f"zone example.org.: {name}: there is no TSIG key their.; key-file names the file that has it",
            )
