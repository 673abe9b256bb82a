"""
Tests of the syntax of keys, grants and remote servers.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.keys import Grants, Keys, RemoteServer
from twisted_ext.server.config.transferpolicy import termsOf
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.tsig import ALGORITHMS


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

    def test_invalidGrantIsRefused(self) -> None:
        """
        An invalid grant is an error.
        """
        for text in ("", "192.0.2.1/24", "example.org", "key=a..b", "192.0.2.0/33"):
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
