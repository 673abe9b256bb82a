"""
The function behind the prefix C{https}.
"""

from __future__ import annotations

from functools import partial
from typing import Final, Unpack

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.resolver.strings.encrypted import ServerOptions, authenticated, daneFor, reached, termsFor
from twisted_ext.resolver.strings.parsers import Addresses
from twisted_ext.transport.https.alternatives import AUTO, FIRST, MODES, NEVER, ONLY
from twisted_ext.transport.urls import ServerURL

__all__ = ["HTTP3", "HTTPSOptions", "HTTPSURL", "Method", "parseHTTPS"]


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


class HTTP3(str):
    """
    When to use HTTP/3: C{auto}, C{first}, C{only} or C{no}; C{yes} is C{first}.
    """

    __slots__ = ()

    @classmethod
    def fromText(cls, text: str) -> HTTP3:
        """
        @raise BadDescription: it is none of these.
        """
        mode = FIRST if text.lower() == "yes" else text.lower()
        if mode not in MODES:
            raise BadDescription(f"http3 takes auto, first, only or no, not {text!r:.80}")
        return cls(mode)


_POST: Final = Method("POST")

_AUTO: Final = HTTP3(AUTO)

#: The port of Squid, which is that of most HTTP proxies.
_PROXY_PORT: Final = 3128


class HTTPSOptions(ServerOptions, total=False):
    """
    The options of C{https} that come last.
    """

    proxy: Addresses
    http3: HTTP3


def parseHTTPS(
    site: Site, url: HTTPSURL, *, address: Addresses | None = None, method: Method = _POST, **options: Unpack[HTTPSOptions]
) -> IAnswerSource:
    """
    Query a server over HTTPS (HTTP/2 or HTTP/3), so that observers can neither read nor change queries and replies, and few can tell them
    from other traffic. The server has to prove that it is the one in the URL; if it cannot, or cannot be reached, the look-up fails:
    nothing is ever sent in the clear instead. Redirects are not followed. Queries share a connection, and are padded.

    @param url: C{https://dns.example/dns-query}; without a path, C{/dns-query}. A template as in RFC 8484, with C{?dns} or
        C{&dns} in braces at its end, is a URL as well.
    @param address: the server's addresses, separated by commas, which need not be looked up then; C{@port} after one that has another port
        than the URL.
    @param method: C{GET} lets HTTP caches on the server's side answer. C{POST}, the default, sends less, and leaves no names in the logs of
        web servers.
    @keyword pins: digests of public keys in base64, separated by commas; one of them has to be among those that prove the name.
    @keyword hashes: as for C{tls}.
    @keyword ca: as for C{tls}.
    @keyword crl: as for C{tls}.
    @keyword dane: as for C{tls}; the records are those of the URL's host and port, such as C{_443._tcp.dns.example}.
    @keyword certificate: as for C{tls}.
    @keyword key: as for C{tls}.
    @keyword minimum: as for C{tls}.
    @keyword resume: as for C{tls}.
    @keyword keep: as for C{tls}.
    @keyword bootstrap: as for C{tls}.
    @keyword proxy: HTTP proxies through which the server is reached, separated by commas, with C{@port} after one that has another port
        than 3128: C{proxy=192.0.2.8@8080}. They look the server's address up, and learn nothing of queries and replies.
    @keyword http3: C{auto}, the default, uses HTTP/3 once the server offers it (RFC 7838), if the extra C{quic} is installed; C{first} does
        from the first connection on. If HTTP/3 fails, HTTP/2 takes its place for five minutes; the server has to prove its identity by
        either. C{only} never uses HTTP/2, C{no} never HTTP/3. Not with C{proxy} or C{certificate}.

    @return: L{ForwardingSource<twisted_ext.resolver.forward.forwarder.ForwardingSource>}, or
        L{BootstrappedSource<twisted_ext.resolver.combine.bootstrap.BootstrappedSource>} in front of it; with C{dane},
        L{DaneSource<twisted_ext.resolver.combine.dane.DaneSource>} in front of these.
    """
    try:
        from twisted_ext.transport.https.exchange import HTTPS, httpsTerms
    except ModuleNotFoundError as error:
        raise CallerFault(f"queries by HTTPS need {error.name}, which is not installed: pip install 'twisted-ext[https]'") from error

    dane, proxy, http3 = options.get("dane"), options.get("proxy"), options.get("http3", _AUTO)
    place = daneFor(dane, [url.identity], [url.port])
    terms = termsFor(options, url.identity, place, httpsTerms)
    if options.get("certificate"):
        if http3 in (FIRST, ONLY):
            raise CallerFault("the client's certificate is only shown over HTTP/2: leave out certificate or http3")
        http3 = HTTP3(NEVER)
    transport = HTTPS(url, terms, get=method == "GET", keep=options.get("keep"), proxied=proxy is not None, http3=http3)
    if proxy is not None:
        if address is not None or "bootstrap" in options:
            raise CallerFault("a proxy looks the server's address up itself: leave out address and bootstrap")
        known = proxy.servers(_PROXY_PORT)
    else:
        known = address.servers(url.port) if address is not None else [] if url.address is None else [url.address]
    forward = partial(ForwardingSource, site.reactor, transport=transport)
    return authenticated(site, reached(site, url.host, url.port, known, forward, options), place, dane)
