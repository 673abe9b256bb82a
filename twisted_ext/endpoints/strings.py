"""
Build endpoints from strings, for L{clientFromString<twisted.internet.endpoints.clientFromString>}.

The arguments of a prefix are the parameters of its function. Escape a colon or a backslash inside an argument with a backslash.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack, cast

from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from twisted_ext.discovery.weights import SMTP
from twisted_ext.endpoints.endpoints import HostEndpoint, HTTPSEndpoint, Options, SRVEndpoint
from twisted_ext.endpoints.happyeyeballs import HostOptions
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.files import openNow
from twisted_ext.resolver.strings.schema import Parameter, Schema, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet._sslverify import IOpenSSLTrustRoot
    from twisted.internet.ssl import PrivateCertificate

    from twisted_ext.endpoints.dane import DaneEndpoint
    from twisted_ext.endpoints.mail import MailEndpoint

__all__ = ["daneEndpoint", "dnsEndpoint", "endpointFromWords", "httpsEndpoint", "mxEndpoint", "srvEndpoint"]

#: The lines that delimit a certificate in a PEM file.
_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"


class _Protocols(list[str]):
    """
    Comma-separated ALPN protocol ids.
    """

    @classmethod
    def fromText(cls, text: str) -> _Protocols:
        return cls([each.strip() for each in text.split(",") if each.strip()])


# The options of prefixes. A prefix shows them in the order of the bases, then of the keys.


class _StartTLS(TypedDict, total=False):
    """
    What a connection begins with.
    """

    starttls: str


class _Mail(TypedDict, total=False):
    """
    How mail servers are dealt with.
    """

    fallback: str
    hello: str


class _Negotiation(TypedDict, total=False):
    """
    What is offered in the handshake.
    """

    alpn: _Protocols


class _Files(TypedDict, total=False):
    """
    Files for TLS.

    @ivar trustRoots: a PEM file of certificates.
    @ivar certificate: a PEM file with the client certificate.
    @ivar privateKey: a PEM file with its key, unless the certificate's file contains it.
    """

    trustRoots: str
    certificate: str
    privateKey: str


class _DaneOptions(_StartTLS, _Mail, _Negotiation, _Files, HostOptions, total=False):
    """
    The options of C{dane}.
    """


class _MailOptions(_Mail, _Files, HostOptions, total=False):
    """
    The options of C{mx}.
    """


def srvEndpoint(
    reactor: IReactorTime, owner: str, *, defaultPort: int | None = None, **options: Unpack[Options]
) -> SRVEndpoint:
    """
    Build C{srv:_xmpp-client._tcp.example.org}.
    """
    return SRVEndpoint(reactor, owner, defaultPort, **options)


def dnsEndpoint(reactor: IReactorTime, host: str, port: int, **options: Unpack[HostOptions]) -> HostEndpoint:
    """
    Build C{dns:www.example.org:80}.
    """
    return HostEndpoint(reactor, host, port, **options)


def httpsEndpoint(
    reactor: IReactorTime,
    host: str,
    port: int = 443,
    *,
    alpn: _Protocols | None = None,
    trustRoots: str | None = None,
    certificate: str | None = None,
    privateKey: str | None = None,
    recordDelay: float | None = None,
    **options: Unpack[Options],
) -> HTTPSEndpoint:
    """
    Build C{https-rr:www.example.org}.

    @param alpn: ALPN protocol ids, separated by commas.
    @param trustRoots: a PEM file of certificates, or a directory of such files named C{*.pem}.
    @param certificate: a PEM file with the client certificate.
    @param privateKey: a PEM file with its key; L{None} if the certificate's file contains it.
    """
    if privateKey is not None and certificate is None:
        raise CallerFault("privateKey is of no use without certificate")
    return HTTPSEndpoint(
        reactor,
        host,
        port,
        alpn=alpn,
        trustRoot=None if trustRoots is None else _trustRootOf(Path(trustRoots)),
        clientCertificate=None if certificate is None else _ownCertificate(Path(certificate), Path(privateKey or certificate)),
        recordDelay=recordDelay,
        **options,
    )


def daneEndpoint(reactor: IReactorTime, host: str, port: int, **options: Unpack[_DaneOptions]) -> DaneEndpoint:
    """
    Build C{dane:www.example.org:443} or C{dane:mail.example.org:25:starttls=smtp}.
    """
    from twisted_ext.endpoints.dane import DaneEndpoint

    return DaneEndpoint(reactor, host, port, **options)


def mxEndpoint(reactor: IReactorTime, domain: str, port: int = SMTP, **options: Unpack[_MailOptions]) -> MailEndpoint:
    """
    Build C{mx:example.org}.
    """
    from twisted_ext.endpoints.mail import MailEndpoint

    return MailEndpoint(reactor, domain, port, **options)


def endpointFromWords(
    prefix: str, function: str, reactor: IReactorTime, words: tuple[object, ...], named: dict[str, object]
) -> IStreamClientEndpoint:
    """
    Build an endpoint from the arguments of its string description.

    @param function: the name of the function in this module that builds it.

    @raise BadDescription: the description is not valid; the one-line message says what is wrong, and what would be right.
    """
    build = cast("Callable[..., IStreamClientEndpoint]", globals()[function])
    schema = Schema(build)
    try:
        taken = _taken(prefix, schema, [_text(word) for word in words], {key: _text(value) for key, value in named.items()})
        return build(reactor, **taken)
    except CallerFault as fault:
        what = str(fault).removeprefix(f"{prefix}: ")
        raise BadDescription(f"{prefix}: {what}") from fault


def _taken(prefix: str, schema: Schema, words: list[str], named: dict[str, str]) -> dict[str, object]:
    given: dict[str, str] = {}
    for index, word in enumerate(words):
        parameter = schema.at(index)
        if parameter is None:
            raise CallerFault(
                f"{word!r} is one argument too many; it is {schema.usage(prefix)}, and a colon inside an argument is written \\:"
            )
        given[parameter.name] = word
    known: dict[str, Parameter] = {parameter.name: parameter for parameter in schema.parameters}
    for key, word in named.items():
        if key not in known:
            raise CallerFault(f"there is no option {key!r}{nearest(key, list(known))}")
        if key in given:
            raise CallerFault(f"{key} is given twice")
        given[key] = word
    for parameter in schema.parameters:
        if parameter.required and not given.get(parameter.name):
            raise CallerFault(f"{parameter.name} is missing; it is {schema.usage(prefix)}")
    return {key: known[key].convert(word) for key, word in given.items()}


def _text(word: object) -> str:
    if isinstance(word, bytes):
        try:
            return word.decode("utf-8")
        except UnicodeDecodeError:
            raise CallerFault(f"{word!r} is not UTF-8 text") from None
    return str(word)


def _octetsOf(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=openNow) as file:
            return file.read()
    except OSError as error:
        raise CallerFault(f"{path} cannot be read: {error.strerror}") from error


def _trustRootOf(path: Path) -> IOpenSSLTrustRoot:
    from OpenSSL.crypto import Error
    from twisted.internet.ssl import Certificate, trustRootFromCertificates

    found: list[Certificate] = []
    for each in sorted(path.glob("*.pem")) if path.is_dir() else [path]:
        for piece in _octetsOf(each).split(_BEGIN)[1:]:
            try:
                found.append(Certificate.loadPEM(_BEGIN + piece.partition(_END)[0] + _END + b"\n"))
            except (Error, ValueError) as error:
                raise CallerFault(f"{each} has an invalid certificate, or one that is not in PEM") from error
    if not found:
        raise CallerFault(f"there is no certificate in {path}")
    trust: Callable[[list[Certificate]], IOpenSSLTrustRoot] = trustRootFromCertificates
    return trust(found)


def _ownCertificate(certificate: Path, key: Path) -> PrivateCertificate:
    from OpenSSL.crypto import Error
    from twisted.internet.ssl import PrivateCertificate

    load: Callable[[bytes], PrivateCertificate] = PrivateCertificate.loadPEM
    octets = _octetsOf(key) + b"\n" + _octetsOf(certificate)
    try:
        return load(octets)
    except (Error, ValueError) as error:
        raise CallerFault(f"{certificate} with {key}: this is not a certificate with its key, in PEM") from error
