"""
The function behind the prefix C{https}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.resolver.strings.encrypted import Hashes, Pins, bootstrapped
from twisted_ext.resolver.strings.parsers import Addresses
from twisted_ext.transport.servers import Server
from twisted_ext.transport.urls import ServerURL

__all__ = ["HTTPSURL", "Method", "parseHTTPS"]


class HTTPSURL(ServerURL):
    """
    The URL of a server of DNS over HTTPS.
    """

    __slots__ = ()

    @classmethod
    def fromText(cls, text: str) -> HTTPSURL:
        """
        @raise BadDescription: it is not a valid one.
        """
        if "://" not in text:
            raise BadDescription(f"{text!r:.80} is not a URL; write https://dns.example/dns-query")
        url = ServerURL.fromText(text)
        return cls(url.scheme, url.host, url.port, url.name, url.path)


class Method(str):
    """
    C{POST} or C{GET}.
    """

    __slots__ = ()

    @classmethod
    def fromText(cls, text: str) -> Method:
        """
        @raise BadDescription: it is neither.
        """
        if text.upper() not in ("GET", "POST"):
            raise BadDescription(f"method takes POST or GET, not {text!r:.80}")
        return cls(text.upper())


_POST: Final = Method("POST")

#: The port of Squid, which is that of most HTTP proxies.
_PROXY_PORT: Final = 3128


def parseHTTPS(
    site: Site,
    url: HTTPSURL,
    *,
    address: Addresses | None = None,
    method: Method = _POST,
    pins: Pins | None = None,
    hashes: Hashes | None = None,
    ca: str = "",
    certificate: str = "",
    key: str = "",
    minimum: str = "1.2",
    resume: bool = True,
    keep: float | None = None,
    bootstrap: Addresses | None = None,
    proxy: Addresses | None = None,
) -> IAnswerSource:
    """
    Query a server over HTTPS (HTTP/2), so that nobody on the way can read or change queries and replies, and few can tell them from other
    traffic. The server has to prove that it is the one in the URL; if it cannot, or cannot be reached, the look-up fails: nothing is ever
    sent in the clear instead. Redirects are not followed. Queries share a connection, and are padded.

    @param url: C{https://dns.example/dns-query}; without a path, C{/dns-query}. A template as in RFC 8484, with C{?dns} or
        C{&dns} in braces at its end, is a URL as well.
    @param address: the server's addresses, separated by commas, which need not be looked up then; C{@port} after one that has another port
        than the URL.
    @param method: C{GET} lets HTTP caches on the server's side answer. C{POST}, the default, sends less, and leaves no names in the logs of
        web servers.
    @param pins: digests of public keys in base64, separated by commas; one of them has to be among those that prove the name.
    @param hashes: as for C{tls}.
    @param ca: as for C{tls}.
    @param certificate: as for C{tls}.
    @param key: as for C{tls}.
    @param minimum: as for C{tls}.
    @param resume: as for C{tls}.
    @param keep: as for C{tls}.
    @param bootstrap: as for C{tls}.
    @param proxy: HTTP proxies through which the server is reached, separated by commas, with C{@port} after one that has another port than
        3128: C{proxy=192.0.2.8@8080}. They look the server's address up, and learn nothing of queries and replies.

    @return: L{ForwardingSource<twisted_ext.resolver.forward.forwarder.ForwardingSource>}, or
        L{BootstrappedSource<twisted_ext.resolver.forward.bootstrap.BootstrappedSource>} in front of it.
    """
    try:
        from twisted_ext.transport.https.exchange import HTTPS, httpsTerms
    except ModuleNotFoundError as error:
        raise CallerFault(f"it needs {error.name}, which is not installed: pip install 'twisted-ext[https]'") from error

    terms = httpsTerms(
        url, pins=pins or (), hashes=hashes or (), ca=ca, certificate=certificate, key=key, minimum=minimum, resume=resume
    )
    transport = HTTPS(url, terms, get=method == "GET", keep=keep, proxied=proxy is not None)
    if proxy is not None:
        if address is not None or bootstrap is not None:
            raise CallerFault("a proxy looks the server's address up itself: leave out address and bootstrap")
        return ForwardingSource(site.reactor, proxy.servers(_PROXY_PORT), transport=transport)

    def build(addresses: Sequence[str]) -> ForwardingSource:
        return ForwardingSource(site.reactor, [Server(each, url.port) for each in addresses], transport=transport)

    direct = address.servers(url.port) if address is not None else [] if url.address is None else [url.address]
    if not direct:
        return bootstrapped(site, url.host, bootstrap, build)
    if bootstrap is not None:
        raise CallerFault("bootstrap is for a server whose address is not known; here it is already")
    return ForwardingSource(site.reactor, direct, transport=transport)
