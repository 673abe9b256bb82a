"""
What C{txdns upstream} has found out about a server. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from twisted_ext.transport.tls.terms import namesOf, pinOf, pinToText
from twisted_ext.wire.codes import AD, DO
from twisted_ext.wire.options import Cookie
from twisted_ext.wire.rrtypes import RRSIG

if TYPE_CHECKING:
    from twisted_ext.apps.cli.upstream.targets import Target
    from twisted_ext.transport.tls.terms import TLSDetails
    from twisted_ext.wire.message import Message

__all__ = ["CertificateFacts", "Features", "ServerFindings", "TransportFindings", "certificateFacts", "learn"]

_KEEPALIVE: Final = 11
_PADDING: Final = 12

_DAY: Final = 86400


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """
    @ivar names: what it is for, for display.
    @ivar issuer: the name of its authority, or C{"itself"}.
    @ivar daysLeft: whole days until it expires; negative once it has.
    @ivar pin: the digest of its key in base64.
    @ivar shownBy: the transports that show it.
    """

    names: str
    issuer: str
    begins: datetime
    ends: datetime
    daysLeft: int
    pin: str
    shownBy: tuple[str, ...]


def certificateFacts(certificate: x509.Certificate, now: datetime, shownBy: Iterable[str]) -> CertificateFacts:
    ends = certificate.not_valid_after_utc
    issuer = "itself" if certificate.issuer == certificate.subject else _named(certificate.issuer)
    return CertificateFacts(
        namesOf(certificate),
        issuer,
        certificate.not_valid_before_utc,
        ends,
        int((ends - now.astimezone(UTC)).total_seconds() // _DAY),
        pinToText(pinOf(certificate)),
        tuple(shownBy),
    )


def _named(name: x509.Name) -> str:
    try:
        common = [*name.get_attributes_for_oid(NameOID.COMMON_NAME), *name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        return ", ".join([repr(str(each.value)) for each in common]) or repr(name.rfc4514_string())
    except ValueError:
        return "a name that cannot be read"


@dataclass(slots=True)
class TransportFindings:
    """
    What one transport of a server can do.

    @ivar problem: why it does not answer, or C{""}.
    @ivar seconds: how long queries took on a connection that was there already.
    @ivar reconnected: how long a query took on a new connection; L{None} if that was not tried.
    @ivar session: the TLS session of the first query.
    @ivar authenticated: by what the server was authenticated.
    @ivar resumed: whether a second connection continued the first one's session; L{None} if that was not tried.
    @ivar versions: the versions of TLS that it speaks, with their ciphers; empty if that was not tried.
    @ivar protocol: the ALPN protocol that it chose without authentication, or C{""}.
    @ivar certificate: the one that it showed, even if it was not accepted.
    @ivar padding: the size to a multiple of which replies are padded, 0 if they are not; L{None} if that does not apply.
    @ivar keepalive: the seconds for which the server keeps idle connections, if it says so.
    """

    target: Target
    problem: str = ""
    seconds: list[float] = field(default_factory=list)
    reconnected: float | None = None
    session: TLSDetails | None = None
    authenticated: str = ""
    resumed: bool | None = None
    versions: dict[str, str] = field(default_factory=dict)
    protocol: str = ""
    certificate: x509.Certificate | None = None
    padding: int | None = None
    keepalive: float | None = None

    @property
    def median(self) -> float:
        return median(self.seconds or [0.0])

    def heard(self, reply: Message) -> None:
        """
        Note what a reply says of its transport.
        """
        edns = reply.edns
        if self.target.encrypted:
            padding = None if edns is None else edns.option(_PADDING)
            self.padding = 0 if padding is None else _blockOf(len(reply.wire))
        octets = None if edns is None else edns.option(_KEEPALIVE)
        if octets is not None and len(octets) == 2:
            self.keepalive = int.from_bytes(octets, "big") / 10


#: Sizes to which servers pad: RFC 8467 recommends the first.
_BLOCKS: Final = (468, 128, 64, 32, 16)


def _blockOf(size: int) -> int:
    return next((block for block in _BLOCKS if size % block == 0), size)


@dataclass(slots=True)
class Features:
    """
    What a server can do over each of its transports. L{None} where it is not known.

    @ivar rcode: of the reply to the test query.
    @ivar payloadSize: the largest datagram that it accepts, by its OPT record; 0 if it does not support EDNS.
    @ivar signatures: whether it returns signatures if asked to.
    @ivar validates: whether it says that the answer is secure (AD).
    @ivar keepsCase: whether replies repeat the name as it was asked.
    """

    rcode: int | None = None
    payloadSize: int | None = None
    cookies: bool | None = None
    signatures: bool | None = None
    validates: bool | None = None
    keepsCase: bool | None = None


def learn(features: Features, query: Message, reply: Message) -> None:
    """
    Add what one reply shows.
    """
    if reply.questions and query.questions:
        same = reply.questions[0].name == query.questions[0].name
        features.keepsCase = same if features.keepsCase is None else features.keepsCase and same
    if query.edns is None:
        return
    features.rcode = reply.rcode
    features.payloadSize = 0 if reply.edns is None else reply.edns.payloadSize
    if query.edns.option(Cookie.code) is not None:
        cookie = None if reply.edns is None else reply.edns.option(Cookie.code)
        features.cookies = cookie is not None and len(cookie) >= 16 and cookie[:8] == query.edns.option(Cookie.code)
    if query.edns.flags & DO and not reply.rcode:
        features.signatures = any(rrset.rrType == RRSIG for rrset in reply.answer)
        features.validates = bool(reply.flags & AD) and features.signatures


@dataclass(slots=True)
class ServerFindings:
    """
    @ivar problem: why none of its transports could be tried, or C{""}.
    """

    host: str
    address: str
    transports: Sequence[TransportFindings]
    features: Features
    question: str
    problem: str = ""

    @property
    def answering(self) -> list[TransportFindings]:
        return [each for each in self.transports if not each.problem]

    @property
    def failed(self) -> list[TransportFindings]:
        """
        The transports that should answer and do not: those that were given, or all of them if none answers.
        """
        return [each for each in self.transports if each.problem and (each.target.given or not self.answering)]

    def certificates(self, now: datetime) -> list[CertificateFacts]:
        """
        Return the different certificates that its transports show.
        """
        shown: dict[bytes, tuple[x509.Certificate, list[str]]] = {}
        for each in self.transports:
            if each.certificate is not None:
                key = each.certificate.tbs_certificate_bytes
                shown.setdefault(key, (each.certificate, []))[1].append(each.target.transport)
        return [certificateFacts(certificate, now, transports) for certificate, transports in shown.values()]
