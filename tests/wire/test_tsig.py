"""
Tests for L{twisted_ext.wire.tsig} and L{twisted_ext.wire.tsig}.
"""

from __future__ import annotations

from unittest.mock import patch

import dns.message
import dns.name
import dns.tsig
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadDescription, BadMessage
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, RD, Rcode
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.tsig import (
    ALGORITHMS,
    BADSIG,
    Key,
    StreamSigning,
    StreamVerifying,
    TSIGRecord,
    replySigned,
    sign,
    signatureSize,
    splitSigned,
    verify,
)

NOW = 1_700_000_000

SECRET = bytes(range(32))

KEY = Key(nameFromText("Key.example"), SECRET)

KEYS = {KEY.name: KEY}

WWW = Question(nameFromText("www.example.com"), 1)


def message(id: int = 7, flags: int = RD, edns: EDNS | None = None) -> bytes:
    """
    Return a message to sign.
    """
    answer = (RRSet(WWW.name, 1, 1, 300, (b"\xc0\x00\x02\x01",)),) if flags & QR else ()
    return buildMessage(Message(id, flags, (WWW,), answer, edns=edns))


def dnspythonKey(key: Key) -> dict[dns.name.Name, dns.tsig.Key]:
    """
    Return the same key in dnspython's form.
    """
    name = dns.name.from_text(nameToText(key.name))
    return {name: dns.tsig.Key(name, key.secret, dns.name.from_text(nameToText(key.algorithm)))}


class KeyTests(SynchronousTestCase):
    """
    Tests for keys.
    """

    def test_keysAreReadAsByDig(self) -> None:
        """
        Keys have the text form of C{dig}.
        """
        for text, algorithm in (("hmac-sha512:k.example:AAEC", "hmac-sha512"), ("k.example:AAEC", "hmac-sha256")):
            key = Key.fromText(text)
            self.assertEqual((key.name, key.secret, key.algorithm), (nameFromText("k.example"), b"\x00\x01\x02", ALGORITHMS[algorithm]))

    def test_invalidKeyHidesItsSecret(self) -> None:
        """
        An invalid key is refused with a line that does not show the secret.
        """
        for text in ("", "k", "k:", ":AAEC", "hmac-foo:k:AAEC", "k:secret!!", "a..b:AAEC", "hmac-md5:k:A"):
            with self.subTest(text):
                words = str(self.assertRaises(BadDescription, Key.fromText, text))
                self.assertNotIn("\n", words)
                self.assertNotIn("secret!!", words)
        self.assertNotIn("000102", repr(KEY))

    def test_MACSizesAreLimited(self) -> None:
        """
        MACs may be truncated to half of the hash, and to no fewer than ten octets (RFC 8945, section 5.2.2.1).
        """
        for algorithm, least, most in (("hmac-md5", 10, 16), ("hmac-sha1", 10, 20), ("hmac-sha512", 32, 64), ("hmac-sha256-128", 16, 16)):
            for size in (least, most):
                self.assertEqual(Key(b"\x00", b"x", ALGORITHMS[algorithm], size).macSize, size)
            for size in (least - 1, most + 1, 0):
                self.assertRaises(BadDescription, Key, b"\x00", b"x", ALGORITHMS[algorithm], size)
        self.assertRaises(BadDescription, Key, b"\x00", b"x", nameFromText("hmac-foo"))


class OneMessageTests(SynchronousTestCase):
    """
    Tests for queries and their replies.
    """

    def test_allAlgorithmsAgreeWithDnspython(self) -> None:
        """
        Signatures of every algorithm are verified here, and we verify those of dnspython.
        """
        for algorithm in ALGORITHMS.values():
            with self.subTest(algorithm):
                key = Key(KEY.name, SECRET, algorithm)
                for flags, edns in ((RD, None), (RD, EDNS(1232, 0x8000))):
                    wire = message(flags=flags, edns=edns)
                    signed, mac = sign(wire, key, NOW)
                    self.assertEqual(len(signed) - len(wire), signatureSize(key))
                    verdict = verify(signed, {key.name: key}, NOW)
                    self.assertTrue(verdict.good)
                    self.assertEqual((verdict.mac, verdict.octets, verdict.key), (mac, wire, key))
                    theirs = dns.message.from_wire(wire)
                    theirs.use_tsig(dnspythonKey(key))
                    other = theirs.to_wire()
                    assert isinstance(other, bytes)
                    assert theirs.tsig is not None
                    self.assertTrue(verify(other, {key.name: key}, theirs.tsig[0].time_signed).good)

    def test_dnspythonVerifiesOurSignatures(self) -> None:
        """
        dnspython verifies our signed queries and replies, by its own clock.
        """
        import time

        now = time.time()
        for algorithm in ALGORITHMS.values():
            key = Key(KEY.name, SECRET, algorithm)
            query, mac = sign(message(), key, now)
            theirs = dns.message.from_wire(query, keyring=dnspythonKey(key))
            self.assertTrue(theirs.had_tsig)
            self.assertEqual(theirs.mac, mac)
            reply, _ = sign(message(flags=QR), key, now, requestMac=mac)
            self.assertTrue(dns.message.from_wire(reply, keyring=dnspythonKey(key), request_mac=mac).had_tsig)
            wrong = mac[:-1] + bytes([mac[-1] ^ 1])
            self.assertRaises(dns.tsig.BadSignature, dns.message.from_wire, reply, keyring=dnspythonKey(key), request_mac=wrong)

    def test_everyChangeIsDetected(self) -> None:
        """
        Every change of a message is detected, except in the unsigned parts: the ID, the case of names and the TTL of the record.
        """
        signed, mac = sign(message(flags=QR), KEY, NOW, requestMac=b"request")
        self.assertTrue(verify(signed, KEYS, NOW, requestMac=b"request").good)
        self.assertFalse(verify(signed, KEYS, NOW).good)
        record = len(signed) - signatureSize(KEY)
        ttl = record + len(KEY.name) + 4
        for position in [*range(2, ttl), *range(ttl + 4, len(signed))]:
            changed = bytearray(signed)
            changed[position] ^= 1
            try:
                good = verify(bytes(changed), KEYS, NOW, requestMac=b"request").good
            except BadMessage:
                continue
            self.assertFalse(good, position)
        self.assertTrue(verify(b"\x12\x34" + signed[2:], KEYS, NOW, requestMac=b"request").good)
        self.assertEqual(verify(b"\x12\x34" + signed[2:], KEYS, NOW, requestMac=b"request").octets, message(flags=QR))

    def test_fudgeLimitsTheTime(self) -> None:
        """
        A signature is valid within its fudge, before and after. Otherwise the reply repeats the client's time and adds ours.
        """
        signed, mac = sign(message(), KEY, NOW, fudge=60)
        for now, error in ((NOW - 60, 0), (NOW + 60, 0), (NOW - 61, Rcode.BADTIME), (NOW + 61, Rcode.BADTIME)):
            self.assertEqual(verify(signed, KEYS, now).error, error)
        verdict = verify(signed, KEYS, NOW + 1000)
        reply, _ = replySigned(message(flags=QR | 9), verdict, NOW + 1000)
        found = verify(reply, KEYS, NOW, requestMac=mac)
        assert found.record is not None
        self.assertEqual((found.error, found.good), (0, False))
        self.assertEqual((found.record.error, found.record.timeSigned), (Rcode.BADTIME, NOW))
        self.assertEqual(int.from_bytes(found.record.other, "big"), NOW + 1000)
        self.assertEqual(len(reply), len(message(flags=QR | 9)) + signatureSize(KEY, 6))

    def test_unknownKeyIsBADKEY(self) -> None:
        """
        An unknown key, or a key of another algorithm, is BADKEY, and the reply is not signed.
        """
        signed, mac = sign(message(), KEY, NOW)
        for keys in ({}, {KEY.name: Key(KEY.name, SECRET, ALGORITHMS["hmac-sha1"])}):
            verdict = verify(signed, keys, NOW)
            self.assertEqual(verdict.error, Rcode.BADKEY)
            reply, none = replySigned(message(flags=QR | 9), verdict, NOW)
            self.assertEqual(none, b"")
            found = verify(reply, KEYS, NOW, requestMac=mac)
            self.assertEqual((found.error, found.good, found.mac), (Rcode.BADKEY, False, b""))

    def test_wrongSecretIsBADSIG(self) -> None:
        """
        Another secret is BADSIG, and the reply is not signed, since it must not be trusted.
        """
        signed, mac = sign(message(), Key(KEY.name, b"other"), NOW)
        verdict = verify(signed, KEYS, NOW)
        self.assertEqual(verdict.error, BADSIG)
        reply, none = replySigned(message(flags=QR | 9), verdict, NOW)
        self.assertEqual(none, b"")
        self.assertEqual(verify(reply, KEYS, NOW, requestMac=mac).error, BADSIG)

    def test_MACIsCheckedBeforeTime(self) -> None:
        """
        The MAC is checked before the time (RFC 8945, section 5.2), so a stranger does not learn our time.
        """
        signed, _ = sign(message(), Key(KEY.name, b"other"), NOW)
        self.assertEqual(verify(signed, KEYS, NOW + 10000).error, BADSIG)

    def test_truncatedMACNeedsItsKey(self) -> None:
        """
        A truncated MAC is valid where the key allows it, and BADTRUNC elsewhere. Shorter than the RFC allows, it is malformed.
        """
        short = Key(KEY.name, SECRET, macSize=16)
        signed, mac = sign(message(), short, NOW)
        self.assertEqual(len(mac), 16)
        self.assertTrue(verify(signed, {short.name: short}, NOW).good)
        verdict = verify(signed, KEYS, NOW)
        self.assertEqual(verdict.error, Rcode.BADTRUNC)
        reply, _ = replySigned(message(flags=QR | 9), verdict, NOW)
        found = verify(reply, KEYS, NOW, requestMac=mac)
        assert found.record is not None
        self.assertEqual((found.error, found.record.error), (0, Rcode.BADTRUNC))
        wire, record = splitSigned(signed)
        assert record is not None
        for size in (0, 1, 9, 15, 33, 64):
            record.mac = bytes(size)
            malformed = wire[:10] + b"\x00\x01" + wire[12:] + record.toWire()
            self.assertRaises(BadMessage, verify, malformed, KEYS, NOW)

    def test_unsignedMessageIsNotVerified(self) -> None:
        """
        A message without a signature is not taken for a signed one, and its reply is not signed.
        """
        verdict = verify(message(), KEYS, NOW)
        self.assertEqual((verdict.good, verdict.record, verdict.octets), (False, None, message()))
        self.assertEqual(replySigned(message(flags=QR), verdict, NOW), (message(flags=QR), b""))
        edns = message(edns=EDNS())
        self.assertEqual(splitSigned(edns), (edns, None))

    def test_malformedRecordIsRefused(self) -> None:
        """
        A record that is truncated or longer than its parts is refused.
        """
        signed, _ = sign(message(), KEY, NOW)
        for length in range(12, len(signed)):
            if length != len(message()):
                self.assertRaises(BadMessage, splitSigned, signed[:length])
        self.assertRaises(BadMessage, splitSigned, signed + b"\x00")
        rdata = TSIGRecord(KEY.name, KEY.algorithm, NOW, 300, bytes(32), 7).toWire()[len(KEY.name) + 10 :]
        for length in range(len(rdata)):
            self.assertRaises(BadMessage, TSIGRecord.fromRecord, RRSet(KEY.name, 250, 255, 0, (rdata[:length],)))
        self.assertRaises(BadMessage, TSIGRecord.fromRecord, RRSet(KEY.name, 250, 255, 0, (rdata + b"\x00",)))
        self.assertRaises(BadMessage, TSIGRecord.fromRecord, RRSet(KEY.name, 250, 1, 0, (rdata,)))
        self.assertRaises(BadMessage, TSIGRecord.fromRecord, RRSet(KEY.name, 250, 255, 1, (rdata,)))


class StreamTests(SynchronousTestCase):
    """
    Tests for replies of several messages.
    """

    def parts(self, count: int) -> list[bytes]:
        """
        Return the messages of a reply.
        """
        return [message(7, QR, EDNS(1000 + number)) for number in range(count)]

    def test_signedStreamIsVerified(self) -> None:
        """
        A reply in which each message is signed is verified.
        """
        _, mac = sign(message(), KEY, NOW)
        signing, verifying = StreamSigning(KEY, mac), StreamVerifying(KEYS, mac)
        for part in self.parts(5):
            verdict = verifying.feed(signing.sign(part, NOW), NOW)
            self.assertTrue(verdict.good and verifying.complete)
            self.assertEqual(verdict.octets, part)

    def test_dnspythonVerifiesStream(self) -> None:
        """
        dnspython verifies such a reply as well.
        """
        import time

        now = time.time()
        _, mac = sign(message(), KEY, now)
        signing = StreamSigning(KEY, mac)
        context = None
        for part in self.parts(3):
            wire = signing.sign(part, now)
            theirs = dns.message.from_wire(
                wire, keyring=dnspythonKey(KEY), request_mac=mac, xfr=True, multi=True, tsig_ctx=context
            )
            context = theirs.tsig_ctx
            self.assertTrue(theirs.had_tsig)

    def test_reorderedMessagesAreDetected(self) -> None:
        """
        Missing, repeated and reordered messages are detected.
        """
        _, mac = sign(message(), KEY, NOW)
        signing = StreamSigning(KEY, mac)
        parts = [signing.sign(part, NOW) for part in self.parts(3)]
        for order in ((1,), (0, 2), (0, 0), (0, 2, 1)):
            verifying = StreamVerifying(KEYS, mac)
            verdicts = [verifying.feed(parts[number], NOW) for number in order[:2]]
            self.assertEqual(verdicts[-1].error, BADSIG)
            self.assertFalse(verifying.complete)
            self.assertRaises(BadMessage, verifying.feed, parts[1], NOW)

    def verifyWithUnsigned(self, between: int) -> tuple[list[int], StreamVerifying]:
        """
        Return the errors, and the verifier that found them.

        @param between: unsigned messages between two signed ones.
        """
        _, mac = sign(message(), KEY, NOW)
        parts = self.parts(between + 2)
        first, firstMac = sign(parts[0], KEY, NOW, requestMac=mac)
        # The last covers all that came since the first.
        record = TSIGRecord(KEY.name, KEY.algorithm, NOW, 300, b"", 7)
        record.mac = KEY.mac(len(firstMac).to_bytes(2, "big") + firstMac + b"".join(parts[1:]) + record.timers())
        last = parts[-1][:10] + b"\x00\x02" + parts[-1][12:] + record.toWire()
        verifying = StreamVerifying(KEYS, mac)
        errors = []
        for wire in (first, *parts[1:-1], last):
            errors.append(verifying.feed(wire, NOW).error)
            if errors[-1]:
                break
        return errors, verifying

    def test_unsignedRunIsLimited(self) -> None:
        """
        Up to 99 messages in a row need not be signed (RFC 8945, section 5.3.1), and a hundredth is refused. Without the limit any number
        would be kept.
        """
        for between in (1, 99):
            errors, verifying = self.verifyWithUnsigned(between)
            self.assertEqual(errors, [0] * (between + 2))
            self.assertTrue(verifying.complete)
        errors, verifying = self.verifyWithUnsigned(100)
        self.assertEqual(errors, [0] * 100 + [BADSIG])
        self.assertFalse(verifying.complete)
        with patch("twisted_ext.wire.tsig._MOST_UNSIGNED", 1 << 30):
            self.assertEqual(self.verifyWithUnsigned(1000)[0], [0] * 1002)

    def test_firstAndLastMustBeSigned(self) -> None:
        """
        The first message must be signed, and the stream is incomplete until the last one is.
        """
        _, mac = sign(message(), KEY, NOW)
        verifying = StreamVerifying(KEYS, mac)
        self.assertEqual(verifying.feed(self.parts(1)[0], NOW).error, BADSIG)
        verifying = StreamVerifying(KEYS, mac)
        self.assertTrue(verifying.feed(StreamSigning(KEY, mac).sign(self.parts(1)[0], NOW), NOW).good)
        self.assertEqual(verifying.feed(self.parts(1)[0], NOW).error, 0)
        self.assertFalse(verifying.complete)

    def test_changedUnsignedMessageIsDetected(self) -> None:
        """
        A change of an unsigned message is detected with the next signature.
        """
        _, mac = sign(message(), KEY, NOW)
        first, firstMac = sign(self.parts(1)[0], KEY, NOW, requestMac=mac)
        verifying = StreamVerifying(KEYS, mac)
        self.assertTrue(verifying.feed(first, NOW).good)
        self.assertEqual(verifying.feed(message(7, QR), NOW).error, 0)
        last, _ = sign(message(7, QR), KEY, NOW, requestMac=firstMac, timersOnly=True)
        self.assertEqual(verifying.feed(last, NOW).error, BADSIG)
