"""
Tests of L{twisted_ext.dnssec.privatekeys.keys}.
"""

from __future__ import annotations

import copy
import pickle
import sys
import traceback
from base64 import b64encode, encodebytes
from collections.abc import Sequence
from functools import cache
from unittest.mock import patch

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec.keys import ZoneKey, delegatedKeys, keysOf, keyTag
from twisted_ext.dnssec.privatekeys.keys import SIGNING, PrivateKey, newKey
from twisted_ext.errors import BadKey, CallerFault, KeyFault, StorageFault
from twisted_ext.wire.names import nameFromText

__all__ = ["keyFor", "pemOf", "secretsOf"]

APEX = nameFromText("example.org.")


@cache
def keyFor(algorithm: int, flags: int = 257) -> PrivateKey:
    """
    Return a key, one for all tests since those of RSA take long to make.
    """
    return newKey(algorithm, flags)


def pemOf(key: PrivateKey) -> bytes:
    """
    Return a key as PEM (PKCS #8).
    """
    return key._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def pemText(der: bytes) -> bytes:
    """
    Return octets of PKCS #8 as PEM.
    """
    return b"-----BEGIN PRIVATE KEY-----\n" + encodebytes(der) + b"-----END PRIVATE KEY-----\n"


def secretsOf(key: PrivateKey) -> list[str]:
    """
    Return the secret in the forms in which a text may have it.
    """
    found = []
    for name, octets in key.numbers():
        if name not in ("Modulus", "PublicExponent"):
            number = int.from_bytes(octets, "big")
            found += [b64encode(octets).decode().rstrip("=")[:-1], octets.hex(), f"{number:x}", str(number), repr(octets)[2:-1]]
    return found


class Erring(PrivateKey):
    """
    A key whose signatures have one wrong bit.
    """

    def signMany(self, several: Sequence[bytes]) -> list[bytes]:
        return [signature[:7] + bytes([signature[7] ^ 1]) + signature[8:] for signature in super().signMany(several)]


class PrivateKeyTests(SynchronousTestCase):
    """
    Tests of L{PrivateKey}.
    """

    def test_signaturesVerify(self) -> None:
        """
        Validators find each signature right, and only for the signed data.
        """
        several = [b"", b"x", *[b"%d" % number * 20 for number in range(40)]]
        for algorithm in SIGNING:
            key = keyFor(algorithm)
            public = ZoneKey(key.dnskey)
            self.assertEqual((public.problem, public.tag, public.bits, public.flags), ("", key.tag, key.bits, 257))
            for data, signature in zip(several, key.signMany(several), strict=True):
                self.assertTrue(public.verify(signature, data))
                self.assertFalse(public.verify(signature, data + b"."))

    def test_signaturesAreDeterministic(self) -> None:
        """
        The same key signs the same data with the same octets, also after it was read again.
        """
        for algorithm in SIGNING:
            key = keyFor(algorithm)
            again = PrivateKey.fromNumbers(algorithm, 257, dict(key.numbers()))
            self.assertEqual(key.signMany([b"a", b"b", b"a"])[2], key.signMany([b"a"])[0])
            self.assertEqual(again.signMany([b"a", b"b"]), key.signMany([b"a", b"b"]))
            self.assertEqual((again.dnskey, again.tag, again.bits), (key.dnskey, key.tag, key.bits))

    def test_signaturesByIntegers(self) -> None:
        """
        Signatures are the same if the numbers in them are converted as integers. Of 3,000, some have short numbers.
        """
        several = [b"%d" % number for number in range(3000)]
        private = ec.generate_private_key(ec.SECP256R1())
        scheme = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        made = PrivateKey(13, 257, private).signMany(several)
        numbers = [decode_dss_signature(private.sign(data, scheme)) for data in several]
        self.assertEqual(made, [r.to_bytes(32, "big") + s.to_bytes(32, "big") for r, s in numbers])
        self.assertTrue(any(not signature[0] for signature in made))

    def test_ds(self) -> None:
        """
        DS records refer to the key, with SHA-256 and SHA-384 but not SHA-1, whatever the letter case of the zone.
        """
        key = keyFor(13)
        for digest in (2, 4):
            self.assertEqual(delegatedKeys([key.ds(b"\x07EXAMPLE\x03org\0", digest)], APEX, keysOf([key.dnskey]))[1], ())
        for digest in (1, 3, 5):
            self.assertIn("2 (SHA-256) and 4", str(self.assertRaises(CallerFault, key.ds, APEX, digest)))

    def test_reprHasNoSecret(self) -> None:
        """
        Repr and str show tag and algorithm only.
        """
        for algorithm in SIGNING:
            key = keyFor(algorithm)
            self.assertRegex(repr(key), rf"^<PrivateKey {key.tag} [A-Z0-9]+>$")
            self.assertEqual((str(key), f"{key}", f"{[key]}"), (repr(key), repr(key), f"[{key!r}]"))

    def test_noCopies(self) -> None:
        """
        Keys can neither be pickled nor copied.
        """
        for algorithm in SIGNING:
            key = keyFor(algorithm)
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                self.assertRaises(TypeError, pickle.dumps, [key], protocol)
            self.assertRaises(TypeError, copy.copy, key)
            self.assertRaises(TypeError, copy.deepcopy, key)
            self.assertRaises(TypeError, key.__reduce__)

    def test_wrongSignaturesAreFound(self) -> None:
        """
        A key whose first signature is wrong is refused: with RSA, one such signature would reveal the key.
        """
        for algorithm in SIGNING:
            key = keyFor(algorithm)
            for error in (
                self.assertRaises(BadKey, Erring.fromNumbers, algorithm, 257, dict(key.numbers()), "f"),
                self.assertRaises(BadKey, Erring.fromPEM, pemOf(key), algorithm, 257, "f"),
            ):
                self.assertIn("f: its first signature is wrong", str(error))

    def test_wrongNumbersOfRSA(self) -> None:
        """
        A key of RSA with any wrong number is refused, also where it was not checked by cryptography, as is the case for PEM.
        """
        numbers = dict(keyFor(8).numbers())
        for name in numbers:
            changed = bytearray(numbers[name])
            changed[len(changed) // 2] ^= 2
            error = self.assertRaises(BadKey, PrivateKey.fromNumbers, 8, 257, {**numbers, name: bytes(changed)})
            self.assertIn("one of them is damaged", str(error))
        private = keyFor(8)._private
        assert isinstance(private, rsa.RSAPrivateKey)
        each = private.private_numbers()
        wrong = rsa.RSAPrivateNumbers(each.p, each.q, each.d, each.dmp1 ^ 2, each.dmq1, each.iqmp, each.public_numbers)
        pem = wrong.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.assertIn("damaged", str(self.assertRaises(BadKey, PrivateKey.fromPEM, pem, 8, 257)))

    def test_sizesOfRSA(self) -> None:
        """
        RSA keys of less than 2048 and more than 4096 bits are refused, with the reason.
        """
        for bits, reason in ((512, "can be broken"), (2047, "can be broken"), (4097, "validators refuse"), (1 << 20, "refuse")):
            error = self.assertRaises(BadKey, newKey, 8, bits=bits)
            self.assertIn(reason, str(error))
            self.assertIn("2048 to 4096", str(error))
        short = rsa.generate_private_key(65537, 1024)
        pem = short.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.assertIn("1024 bits can be broken", str(self.assertRaises(BadKey, PrivateKey.fromPEM, pem, 8, 257)))
        self.assertIn("1024 bits can be broken", str(self.assertRaises(BadKey, PrivateKey, 8, 257, short)))

    def test_otherAlgorithms(self) -> None:
        """
        Algorithms that are retired or unknown are refused in one sentence.
        """
        reasons = {1: "MD5", 3: "short", 5: "SHA-1", 6: "short", 7: "SHA-1", 10: "RSASHA512", 12: "GOST", 99: "99"}
        for algorithm, reason in reasons.items():
            text = str(self.assertRaises(BadKey, newKey, algorithm))
            self.assertIn(reason, text)
            self.assertIn("choose one of RSASHA256, ECDSAP256SHA256", text)

    def test_otherFlags(self) -> None:
        """
        Flags of other keys than those of zones are refused.
        """
        for flags in (0, 1, 255, 258, 512, 1 << 16):
            self.assertIn("256 or 257", str(self.assertRaises(BadKey, newKey, 15, flags)))
        self.assertEqual([newKey(15, flags).flags for flags in (256, 257, 384, 385)], [256, 257, 384, 385])

    def test_pem(self) -> None:
        """
        A key can be read from PEM; one that is encrypted, damaged, too large, or of another algorithm is refused.
        """
        for algorithm in SIGNING:
            key = keyFor(algorithm)
            self.assertEqual(PrivateKey.fromPEM(pemOf(key), algorithm, 257).dnskey, key.dnskey)
            for other in SIGNING:
                if other != algorithm:
                    self.assertIn("not one of algorithm", str(self.assertRaises(BadKey, PrivateKey.fromPEM, pemOf(key), other, 257)))
        pem = pemOf(keyFor(13))
        closed = keyFor(13)._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        foreign = dsa.generate_private_key(1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        third = ec.generate_private_key(ec.SECP256K1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for octets, said in (
            (closed, "passphrase"), (b"", "expected"), (pem[:90], "expected"), (pem * 99, "larger"), (foreign, "expected"),
            (third, "not one of algorithm"),
        ):
            self.assertIn(said, str(self.assertRaises(BadKey, PrivateKey.fromPEM, octets, 13, 257, "f")))

    def test_numbersOfOtherLengths(self) -> None:
        """
        Keys of ECDSA are read from PEM with a zero octet before the number, as GnuTLS and so Knot writes it; only if the public key in it
        is right, and it is of the algorithm.
        """
        # Compiled code may leave one behind that is still being handled, which becomes the context of each.
        handled = sys.exc_info()[1]
        for algorithm, other, before, behind in (
            (13, 14, "308194020100301306072a8648ce3d020106082a8648ce3d030107047a307802010104 21 00", "a144034200 04"),
            (14, 13, "3081c0020100301006072a8648ce3d020106052b810400220481a83081a502010104 31 00", "a164036200 04"),
        ):
            key = keyFor(algorithm)
            der = bytes.fromhex(before) + dict(key.numbers())["PrivateKey"] + bytes.fromhex(behind) + key.dnskey[4:]
            self.assertEqual(PrivateKey.fromPEM(pemText(der), algorithm, 257).dnskey, key.dnskey)
            self.assertRaises(BadKey, PrivateKey.fromPEM, pemText(der), other, 257)
            for place in range(len(der)):
                changed = der[:place] + bytes([der[place] ^ 4]) + der[place + 1 :]
                try:
                    self.assertEqual(PrivateKey.fromPEM(pemText(changed), algorithm, 257).dnskey, key.dnskey)
                except BadKey as error:
                    self.assertIs(error.__context__, handled)
                self.assertRaises(BadKey, PrivateKey.fromPEM, pemText(der[:place]), algorithm, 257)

    def test_faultsHaveNoSecret(self) -> None:
        """
        No exception has a part of the key, nor refers to one that may have it.
        """
        handled = sys.exc_info()[1]
        for algorithm in SIGNING:
            key = keyFor(algorithm)
            numbers = dict(key.numbers())
            last = list(numbers)[-1]
            for changed in (b"\xff" + numbers[last], numbers[last] * 20, b""):
                error = self.assertRaises(BadKey, PrivateKey.fromNumbers, algorithm, 257, {**numbers, last: changed})
                self.assertEqual((error.__cause__, error.__context__), (None, handled))
                shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
                for secret in secretsOf(key):
                    self.assertNotIn(secret, shown)

    def test_faults(self) -> None:
        """
        A bad key is a fault of the caller, and a key that is away is one of storage.
        """
        self.assertTrue(issubclass(BadKey, CallerFault))
        self.assertTrue(issubclass(KeyFault, StorageFault))


class NewKeyTests(SynchronousTestCase):
    """
    Tests of L{newKey}.
    """

    def test_tagsNeverCollide(self) -> None:
        """
        A new key has no tag of another one, neither now nor when it is revoked.
        """
        free = set(range(0, 65536, 256)) | {number + 128 for number in range(0, 65536, 256)}
        taken = set(range(65536)) - free
        for algorithm in (13, 15):
            key = newKey(algorithm, avoid=taken)
            revoked = keyTag(b"\x01\x81" + key.dnskey[2:])
            self.assertEqual(revoked, key.revokedTag())
            self.assertNotEqual(revoked, key.tag)
            self.assertTrue({key.tag, revoked} <= free)

    def test_collidingKeysAreDropped(self) -> None:
        """
        If a made key collides, another one is made.
        """
        first, second, third = [newKey(15) for _ in range(3)]
        made = [first._private, second._private, third._private]
        with patch.object(ed25519.Ed25519PrivateKey, "generate", lambda: made.pop(0)):
            self.assertEqual(newKey(15, avoid=(first.tag, second.revokedTag())).dnskey, third.dnskey)

    def test_allTagsAreTaken(self) -> None:
        """
        If no tag is free, the search ends.
        """
        private = newKey(15)._private
        with patch.object(ed25519.Ed25519PrivateKey, "generate", lambda: private):
            self.assertIn("65536 tags are taken", str(self.assertRaises(CallerFault, newKey, 15, avoid=range(65536))))

    def test_sizes(self) -> None:
        """
        Keys have their sizes, which can be chosen for RSA.
        """
        self.assertEqual([keyFor(algorithm).bits for algorithm in SIGNING], [2048, 256, 384, 256, 456])
        self.assertEqual(newKey(8, 256, bits=2304).bits, 2304)
