"""
Sign and verify messages with a shared secret (TSIG, RFC 8945): keys, the TSIG record, single messages, and streams of them, such as zone
transfers.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct, pack
from struct import error as StructError
from typing import Final

from twisted_ext.errors import BadDescription, BadMessage, BadName
from twisted_ext.wire.codes import ANY_CLASS, Rcode, rcodeName
from twisted_ext.wire.message import HEADER, HEADER_OCTETS
from twisted_ext.wire.names import MOST_OCTETS, nameFromText, nameToText
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import TSIG

__all__ = [
    "ALGORITHMS",
    "BADSIG",
    "Key",
    "StreamSigning",
    "StreamVerifying",
    "TSIGRecord",
    "Verdict",
    "replySigned",
    "sign",
    "signatureError",
    "signatureSize",
    "splitSigned",
    "verify",
]

#: Consecutive unsigned messages in a signed stream (RFC 8945, section 5.3.1: 99 must be accepted).
_MOST_UNSIGNED: Final = 99


#: Error for a signature that does not match; outside of TSIG this number means BADVERS (RFC 8945, section 3).
BADSIG: Final = 16


def signatureError(error: int) -> str:
    """
    Return the mnemonic of an error in a TSIG record.
    """
    return "BADSIG" if error == BADSIG else rcodeName(error)


#: Mnemonic, name on the wire, hash, octets of the hash, octets of the MAC (RFC 8945, section 6, and its registry).
_TABLE: Final = (
    ("hmac-md5", b"\x08hmac-md5\x07sig-alg\x03reg\x03int\x00", "md5", 16, 16),
    ("hmac-sha1", b"\x09hmac-sha1\x00", "sha1", 20, 20),
    ("hmac-sha224", b"\x0bhmac-sha224\x00", "sha224", 28, 28),
    ("hmac-sha256", b"\x0bhmac-sha256\x00", "sha256", 32, 32),
    ("hmac-sha256-128", b"\x0fhmac-sha256-128\x00", "sha256", 32, 16),
    ("hmac-sha384", b"\x0bhmac-sha384\x00", "sha384", 48, 48),
    ("hmac-sha384-192", b"\x0fhmac-sha384-192\x00", "sha384", 48, 24),
    ("hmac-sha512", b"\x0bhmac-sha512\x00", "sha512", 64, 64),
    ("hmac-sha512-256", b"\x0fhmac-sha512-256\x00", "sha512", 64, 32),
)

#: Algorithm names in wire form by mnemonic.
ALGORITHMS: Final = {mnemonic: wire for mnemonic, wire, _, _, _ in _TABLE}

_HASHES: Final = {wire: (digest, whole, most) for _, wire, digest, whole, most in _TABLE}
_MNEMONICS: Final = {wire: mnemonic for mnemonic, wire, _, _, _ in _TABLE}

#: Permitted clock difference in signed messages, in seconds (recommended by RFC 8945, section 10).
_FUDGE: Final = 300
#: Minimum octets of a truncated MAC: ten, or half of the hash if that is more (RFC 8945, section 5.2.2.1).
_LEAST_MAC: Final = 10

_owner: Final = Struct(">HHIH")
_times: Final = Struct(">HIHH")
_behind: Final = Struct(">HHH")


class Key:
    """
    A shared secret.

    @ivar name: the name of the key, folded.
    @ivar algorithm: one of the values of L{ALGORITHMS}.
    @ivar macSize: octets of the MACs to send, and minimum octets of those to accept.
    """

    __slots__ = ("name", "secret", "algorithm", "macSize", "_digest", "_whole")

    def __init__(
        self, name: bytes, secret: bytes, algorithm: bytes = ALGORITHMS["hmac-sha256"], macSize: int | None = None
    ) -> None:
        """
        @param macSize: L{None} for the full size; less if the peer is configured to truncate MACs.

        @raise BadDescription: the algorithm is unknown, or does not allow this size.
        """
        self.name = name.lower()
        self.secret = secret
        self.algorithm = algorithm.lower()
        known = _HASHES.get(self.algorithm)
        if known is None:
            raise BadDescription(f"TSIG algorithm {nameToText(algorithm)!r} is not known; there are {', '.join(ALGORITHMS)}")
        self._digest, self._whole, most = known
        self.macSize = most if macSize is None else macSize
        least = max(_LEAST_MAC, self._whole // 2)
        if not least <= self.macSize <= most:
            raise BadDescription(f"a MAC of {macSize} octets; {_MNEMONICS[self.algorithm]} allows {least} to {most}")

    @classmethod
    def fromText(cls, text: str) -> Key:
        """
        Parse C{algorithm:name:secret} or C{name:secret}, the secret in base64.

        @raise BadDescription: the text is not valid.
        """
        import binascii

        head, _, secret = text.rpartition(":")
        algorithm, found, name = head.rpartition(":")
        if not found:
            algorithm = "hmac-sha256"
        wire = ALGORITHMS.get(algorithm.lower().rstrip("."))
        # Error messages must not contain the secret: they may end up in a log.
        if not name or not secret:
            raise BadDescription("a TSIG key is written as algorithm:name:secret or name:secret, the secret in base64")
        if wire is None:
            raise BadDescription(f"TSIG algorithm {algorithm!r} is not known; there are {', '.join(ALGORITHMS)}")
        try:
            octets = binascii.a2b_base64(secret, strict_mode=True)
        except ValueError as error:
            raise BadDescription(f"the secret of TSIG key {name!r} is not base64: {error}") from None
        try:
            return cls(nameFromText(name), octets, wire)
        except BadName as error:
            raise BadDescription(f"the name of a TSIG key: {error}") from error

    def mac(self, octets: bytes) -> bytes:
        return hmac.digest(self.secret, octets, self._digest)

    def allows(self, size: int) -> bool:
        """
        Return whether the algorithm allows a MAC of this many octets, regardless of local policy (RFC 8945, section 5.2.2.1).
        """
        return max(_LEAST_MAC, self._whole // 2) <= size <= _HASHES[self.algorithm][2]

    def __repr__(self) -> str:
        return f"<Key {nameToText(self.name)} {_MNEMONICS[self.algorithm]}>"


@dataclass(slots=True, eq=False, repr=False)
class TSIGRecord:
    """
    The content of a TSIG record (RFC 8945, section 4.2).

    @ivar keyName: the owner, folded.
    @ivar timeSigned: seconds since 1970.
    @ivar fudge: permitted clock difference in seconds.
    @ivar originalId: the message ID at the time of signing; forwarders may have changed it since.
    @ivar error: the error that the sender found in our signature, or 0.
    @ivar other: with BADTIME, the sender's time in six octets.
    """

    keyName: bytes
    algorithm: bytes
    timeSigned: int
    fudge: int
    mac: bytes
    originalId: int
    error: int = 0
    other: bytes = b""

    @classmethod
    def fromRecord(cls, record: RRSet) -> TSIGRecord:
        """
        @raise BadMessage: its class is not ANY or its TTL is not 0 (RFC 8945, section 4.2), or its rdata is malformed.
        """
        if record.rrType != TSIG or record.rrClass != ANY_CLASS:
            raise BadMessage("a TSIG record whose class is not ANY")
        if record.ttl:
            raise BadMessage(f"a TSIG record with TTL {record.ttl}; it has to be 0")
        rdata = record.rdatas[0]
        algorithm, position = Reader(rdata).name(0)
        try:
            high, low, fudge, size = _times.unpack_from(rdata, position)
            position += _times.size
            mac = rdata[position : position + size]
            position += size
            originalId, error, length = _behind.unpack_from(rdata, position)
        except StructError:
            raise BadMessage("a TSIG record that is cut off") from None
        position += _behind.size
        if position + length != len(rdata):
            raise BadMessage("a TSIG record whose rdata is not as long as its parts say")
        return cls(record.name.lower(), algorithm.lower(), high << 32 | low, fudge, mac, originalId, error, rdata[position:])

    def timers(self) -> bytes:
        """
        Return the parts covered by signatures in the middle of a stream (RFC 8945, section 5.3.1).
        """
        return self.timeSigned.to_bytes(6, "big") + self.fudge.to_bytes(2, "big")

    def variables(self) -> bytes:
        """
        Return the parts covered by the signature (RFC 8945, section 4.3.3).
        """
        head = self.keyName + b"\x00\xff\x00\x00\x00\x00" + self.algorithm + self.timers()
        return head + pack(">HH", self.error, len(self.other)) + self.other

    def toWire(self) -> bytes:
        head = self.algorithm + self.timers() + len(self.mac).to_bytes(2, "big") + self.mac
        rdata = head + _behind.pack(self.originalId, self.error, len(self.other)) + self.other
        return self.keyName + _owner.pack(TSIG, ANY_CLASS, 0, len(rdata)) + rdata


@dataclass(slots=True, eq=False, repr=False)
class Verdict:
    """
    The result of verifying a signature.

    @ivar error: 0 if it is valid; else L{BADSIG}, BADKEY, BADTIME, BADTRUNC (RFC 8945, section 5.2).
    @ivar record: the signature, or L{None} if there is none.
    @ivar key: the key, if it is known.
    @ivar octets: the message as it was signed: without its TSIG record and with its original ID.
    """

    error: int
    record: TSIGRecord | None
    key: Key | None
    octets: bytes

    @property
    def good(self) -> bool:
        """
        Whether the message has a valid signature, and its sender accepted ours.
        """
        return not self.error and self.record is not None and not self.record.error

    @property
    def mac(self) -> bytes:
        """
        The MAC as it was sent; it is covered by the signature of the reply.
        """
        return b"" if self.record is None else self.record.mac

    def __repr__(self) -> str:
        return f"<Verdict error={self.error} {self.key}>"


def signatureSize(key: Key, other: int = 0) -> int:
    """
    Return how many octets signing adds to a message. With BADTIME there are six octets of other data.
    """
    return len(key.name) + _owner.size + len(key.algorithm) + _times.size + key.macSize + _behind.size + other


def splitSigned(message: bytes) -> tuple[bytes, TSIGRecord | None]:
    """
    Remove the TSIG record of a message.

    @param message: a message that has passed L{Message.check<twisted_ext.wire.message.Message.check>}.

    @return: the message as it was signed, and the record, or L{None} if the last record is not TSIG.

    @raise BadMessage: it is malformed.
    """
    try:
        _, flags, questions, answers, authorities, additionals = HEADER.unpack_from(message)
        if not additionals:
            return message, None
        position = HEADER_OCTETS
        for _ in range(questions):
            position = _behindName(message, position) + 4
        start = position
        for _ in range(answers + authorities + additionals):
            start = position
            position = _behindName(message, position) + _owner.size
            position += message[position - 2] << 8 | message[position - 1]
        behind = _behindName(message, start)
        rrType, rrClass, ttl, length = _owner.unpack_from(message, behind)
    except (IndexError, StructError):
        raise BadMessage("the records run out of the message") from None
    if position != len(message):
        raise BadMessage("octets after the last record, or too few")
    if rrType != TSIG:
        return message, None
    reader = Reader(message)
    name = reader.name(start)[0]
    # Names in it should not be compressed, but some senders do so.
    algorithm, rest = reader.name(behind + _owner.size)
    record = TSIGRecord.fromRecord(RRSet(name, rrType, rrClass, ttl, (algorithm + message[rest:],)))
    header = HEADER.pack(record.originalId, flags, questions, answers, authorities, additionals - 1)
    return header + message[HEADER_OCTETS:start], record


def _behindName(message: bytes, position: int) -> int:
    start = position
    while length := message[position]:
        if length >= 64:
            return position + 2
        position += length + 1
        if position - start > MOST_OCTETS:
            raise BadMessage(f"the name at octet {start} has more than {MOST_OCTETS} octets")
    return position + 1


def _prefixed(mac: bytes) -> bytes:
    return len(mac).to_bytes(2, "big") + mac if mac else b""


def _append(message: bytes, record: TSIGRecord) -> bytes:
    count = (message[10] << 8 | message[11]) + 1
    return message[:10] + count.to_bytes(2, "big") + message[12:] + record.toWire()


def sign(
    message: bytes,
    key: Key,
    now: float,
    *,
    requestMac: bytes = b"",
    fudge: int = _FUDGE,
    error: int = 0,
    other: bytes = b"",
    timersOnly: bool = False,
) -> tuple[bytes, bytes]:
    """
    Sign a message. Return it, and its MAC.

    @param message: a complete unsigned message, from L{buildMessage<twisted_ext.wire.builder.buildMessage>}.
    @param now: seconds since 1970.
    @param requestMac: for a reply, the MAC of its request; within a stream, that of the preceding signed message.
    @param timersOnly: for messages of a stream after the first (RFC 8945, section 5.3.1).
    """
    record = TSIGRecord(key.name, key.algorithm, int(now), fudge, b"", message[0] << 8 | message[1], error, other)
    signed = record.timers() if timersOnly else record.variables()
    record.mac = key.mac(_prefixed(requestMac) + message + signed)[: key.macSize]
    return _append(message, record), record.mac


def verify(message: bytes, keys: Mapping[bytes, Key], now: float, *, requestMac: bytes = b"") -> Verdict:
    """
    Verify the signature of a message, in the order of RFC 8945, section 5.2: key, MAC, time, truncation.

    @param message: a message that has passed L{Message.check<twisted_ext.wire.message.Message.check>}.
    @param keys: by folded name.
    @param now: seconds since 1970.
    @param requestMac: for a reply, the MAC of its request.

    @return: the result; an unsigned message has L{BADSIG} and no record.

    @raise BadMessage: the record is malformed, or its MAC has a size that its algorithm does not allow.
    """
    octets, record = splitSigned(message)
    if record is None:
        return Verdict(BADSIG, None, None, octets)
    return _judge(_prefixed(requestMac) + octets, octets, record, keys, now, record.variables())


def _judge(
    covered: bytes, octets: bytes, record: TSIGRecord, keys: Mapping[bytes, Key], now: float, signed: bytes
) -> Verdict:
    """
    Compare the MAC, then check the time.

    @param covered: the signed octets that precede C{signed}.
    @param signed: the signed octets of the TSIG record itself.
    """
    key = keys.get(record.keyName)
    if key is None or key.algorithm != record.algorithm:
        return Verdict(Rcode.BADKEY, record, None, octets)
    size = len(record.mac)
    if not size and record.error in (BADSIG, Rcode.BADKEY):
        # The error reply is unsigned, so it must not be trusted (RFC 8945, section 5.3.2).
        return Verdict(record.error, record, key, octets)
    if not key.allows(size):
        raise BadMessage(f"a MAC of {size} octets with {_MNEMONICS[key.algorithm]}")
    if not hmac.compare_digest(key.mac(covered + signed)[:size], record.mac):
        return Verdict(BADSIG, record, key, octets)
    if abs(int(now) - record.timeSigned) > record.fudge:
        return Verdict(Rcode.BADTIME, record, key, octets)
    if size < key.macSize:
        return Verdict(Rcode.BADTRUNC, record, key, octets)
    return Verdict(0, record, key, octets)


def replySigned(message: bytes, verdict: Verdict, now: float) -> tuple[bytes, bytes]:
    """
    Sign the reply to a verified message, according to the verdict (RFC 8945, section 5.3): with BADKEY and BADSIG the record has no MAC,
    with BADTIME it has the client's time and the server's.

    @param message: the reply, unsigned; its rcode is NOTAUTH if there was an error with the signature.

    @return: the reply with its TSIG record, and the MAC; the unchanged message if the request was not signed.
    """
    record = verdict.record
    if record is None:
        return message, b""
    error = verdict.error
    if verdict.key is None or error == BADSIG:
        messageId = message[0] << 8 | message[1]
        unsigned = TSIGRecord(record.keyName, record.algorithm, int(now), _FUDGE, b"", messageId, error)
        return _append(message, unsigned), b""
    if error == Rcode.BADTIME:
        return sign(
            message,
            verdict.key,
            record.timeSigned,
            requestMac=record.mac,
            error=error,
            other=int(now).to_bytes(6, "big"),
        )
    return sign(message, verdict.key, now, requestMac=record.mac, error=error)


class StreamSigning:
    __slots__ = ("_key", "_mac", "_first")

    def __init__(self, key: Key, requestMac: bytes) -> None:
        self._key = key
        self._mac = requestMac
        self._first = True

    def sign(self, message: bytes, now: float) -> bytes:
        signed, self._mac = sign(message, self._key, now, requestMac=self._mac, timersOnly=not self._first)
        self._first = False
        return signed


class StreamVerifying:
    """
    Verifies the messages of a reply in turn. Up to C{_MOST_UNSIGNED} in a row may be unsigned, but not the first or the last one.

    @ivar complete: whether the latest message was signed: only then may the messages received so far be used.
    """

    __slots__ = ("_keys", "_mac", "_unsigned", "_count", "_failed", "complete")

    def __init__(self, keys: Mapping[bytes, Key], requestMac: bytes) -> None:
        self._keys = keys
        self._mac = requestMac
        self._unsigned: list[bytes] = []
        self._count = 0
        self._failed = False
        self.complete = False

    def feed(self, message: bytes, now: float) -> Verdict:
        """
        Verify the next message. An unsigned message where one is allowed has error 0 and no record: it is trusted only after a later signed
        message.

        @raise BadMessage: see L{verify}.
        """
        if self._failed:
            raise BadMessage("a message after one with a bad signature in the same stream")
        # Until this one is verified.
        self._failed = True
        if not self._count:
            verdict = verify(message, self._keys, now, requestMac=self._mac)
        else:
            octets, record = splitSigned(message)
            if record is None:
                self.complete = False
                self._unsigned.append(octets)
                self._failed = len(self._unsigned) > _MOST_UNSIGNED
                return Verdict(BADSIG if self._failed else 0, None, None, octets)
            covered = b"".join((len(self._mac).to_bytes(2, "big"), self._mac, *self._unsigned, octets))
            verdict = _judge(covered, octets, record, self._keys, now, record.timers())
        self._count += 1
        self._failed = bool(verdict.error)
        self.complete = verdict.good
        self._mac = verdict.mac
        self._unsigned.clear()
        return verdict
