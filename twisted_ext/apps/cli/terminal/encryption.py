"""
Arguments of commands that choose an encrypted transport, and what its server has to prove.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import valueOf
from twisted_ext.apps.cli.terminal.exits import USAGE, ExitError
from twisted_ext.errors import CallerFault

if TYPE_CHECKING:
    from twisted_ext.transport.servers import Server
    from twisted_ext.transport.urls import ServerURL

__all__ = ["ENCRYPTED", "Encryption", "isURL", "reasonOf", "trustHint", "urlIn"]

#: The prefixes of descriptions that take the options of TLS.
_PREFIXES: Final = ("tls:", "https:", "quic:", "sdns:")


#: The encrypted transports, which are also the schemes of their URLs.
ENCRYPTED: Final = ("tls", "https", "quic")

#: The option that demands an authority, also besides pins.
_AUTHORITY: Final = "+tls-ca"

#: The beginning of an option behind a URL in a description.
_OPTION: Final = re.compile(r":[A-Za-z]+=")


def isURL(text: str) -> bool:
    """
    Return whether a text is the URL of a server, or a DNS stamp.
    """
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme.lower() in (*ENCRYPTED, "sdns")


def urlIn(target: str) -> ServerURL | None:
    """
    Return the URL after C{@}; L{None} for a stamp, and for a description with options, whose URL is only a part of it.
    """
    scheme, mark, rest = target.partition("://")
    if not mark or scheme.lower() not in ENCRYPTED or _OPTION.search(rest):
        return None
    from twisted_ext.transport.urls import ServerURL

    return valueOf(ServerURL.fromText, target, f"@{target:.80}")


def reasonOf(fault: CallerFault) -> str:
    """
    Return why the description of an L{Encryption} cannot be used, without the description, which the user has not written.
    """
    cause = fault.__cause__
    return str(cause if isinstance(cause, CallerFault) else fault)


def trustHint(problem: str) -> str:
    """
    Return what to do about a server that has not been authenticated; C{""} if the problem is another one.
    """
    if "expected a certificate" not in problem:
        # Of a wrong key nothing is said: it may be that of an attacker.
        return ""
    if "its certificate expired on" in problem or "its certificate is valid only from" in problem:
        return "; check the clock of this machine, or report this to the server's operator"
    if "a key with the pin" in problem:
        return "; +tls-ca=FILE trusts another authority; over TLS and QUIC, a pin without a name replaces the certificate"
    return "; +tls-ca=FILE trusts another authority, +tls-hostname=NAME expects another name, +tls-pin=PIN expects this key"


class Encryption:
    """
    The options C{+tls}, C{+https} and so on.

    @ivar transport: C{"tls"}, C{"https"} or C{"quic"}; C{""} if no option chooses one.
    @ivar http3: whether to use HTTPS with HTTP/3 only.
    @ivar path: of the URL; C{""} for the default.
    @ivar name: the name or address that the server's certificate has to be for, if it is not that of the server.
    @ivar pins: digests of keys in base64.
    @ivar ca: a file with the certificates of authorities, or C{""} for those of the system.
    @ivar certificate: a file with the client's certificate, or C{""}.
    """

    __slots__ = ("transport", "path", "get", "http3", "name", "pins", "ca", "certificate", "key", "wanted")

    # Not a dataclass, which would take a millisecond at each start of the command.
    def __init__(self) -> None:
        self.transport = ""
        self.path = ""
        self.get = False
        self.http3 = False
        self.name = ""
        self.pins: tuple[str, ...] = ()
        self.ca = ""
        self.certificate = ""
        self.key = ""
        #: The options given that only make sense with TLS.
        self.wanted: tuple[str, ...] = ()

    def copy(self) -> Encryption:
        other = Encryption()
        for each in self.__slots__:
            setattr(other, each, getattr(self, each))
        return other

    def __bool__(self) -> bool:
        return bool(self.transport or self.http3 or self.wanted)

    @property
    def _word(self) -> str:
        """
        The option to name in an error.
        """
        return "+http3" if self.http3 else f"+{self.transport}" if self.transport else self.wanted[0]

    @property
    def identity(self) -> tuple[object, ...]:
        """
        A value that is equal for equal options.
        """
        return tuple([getattr(self, each) for each in self.__slots__])

    @property
    def port(self) -> int:
        """
        The default port of the transport.
        """
        from twisted_ext.transport.urls import PORTS

        return PORTS[self.scheme(None)]

    def scheme(self, url: ServerURL | None) -> str:
        """
        Return the transport to use for a server.

        @param url: its URL, if it was given by one.
        """
        chosen = self.transport or ("https" if self.http3 else "")
        if url is None:
            return chosen or "tls"
        if chosen and chosen != url.scheme:
            raise ExitError(USAGE, f"{self._word} contradicts @{url}; leave out one of them")
        return url.scheme

    def description(self, url: ServerURL | None, host: str, servers: Sequence[Server]) -> str:
        """
        Return the description of servers, with all that the options require.

        @param host: the name by which the servers were given, or C{""} if by their addresses.
        @param servers: their addresses and ports.
        """
        from twisted_ext.transport.urls import ServerURL, canonicalHost, escaped

        scheme = self.scheme(url)
        if scheme == "quic" and (self.certificate or self.key):
            raise ExitError(USAGE, f"+tls-{'certfile' if self.certificate else 'keyfile'} works over TLS and HTTPS only; leave it out")
        name = valueOf(canonicalHost, self.name, "+tls-hostname") if self.name else url.name if url is not None and url.name else host
        if self.pins and _AUTHORITY in self.wanted and not name and len(servers) == 1:
            # An authority has to vouch for something: here, for the address.
            name = servers[0].address.partition("%")[0]
        if scheme != "https":
            shown = ",".join([f"{_bracketed(server.address)}@{server.port}" for server in servers])
            return f"{scheme}:{escaped(shown)}{self._options(name=name)}"
        if not name and len(servers) > 1:
            raise ExitError(USAGE, "+https needs the server's name: write @https://dns.example or +tls-hostname=dns.example")
        identity = name or servers[0].address
        path = self.path or ("" if url is None else url.path)
        authority = ServerURL("https", identity, servers[0].port).authority
        located = valueOf(ServerURL.fromText, f"https://{authority}{path}", "+https")
        addresses = ",".join([_bracketed(server.address) for server in servers])
        if addresses == _bracketed(identity):
            addresses = ""
        return located.description(address=addresses) + self._options(**self._ofHTTPS())

    def added(self, description: str) -> str:
        """
        Return a description with what the options require of its server.
        """
        if not self:
            return description
        if not description.lower().startswith(_PREFIXES):
            raise ExitError(USAGE, f"{self._word} cannot be combined with @{description:.80}; give an address, a name or a URL")
        prefix = description.partition(":")[0].lower()
        if prefix == "sdns":
            from twisted_ext.transport.stamps import Stamp

            # One for plain DNS would send the query in the clear.
            prefix = valueOf(Stamp.fromText, ":".join(description.split(":")[:2]), f"@{description:.80}").kind
            if prefix not in ENCRYPTED:
                raise ExitError(USAGE, f"{self._word} contradicts @{description:.80}, which is for plain DNS; leave out one of them")
        chosen = self.transport or ("https" if self.http3 else "")
        if chosen and chosen != prefix:
            raise ExitError(USAGE, f"{self._word} contradicts @{description:.80}; leave out one of them")
        return description + self._options(name=self.name, **self._ofHTTPS())

    def _ofHTTPS(self) -> dict[str, str]:
        return {"method": "GET" if self.get else "", "http3": "only" if self.http3 else ""}

    def _options(self, **more: str) -> str:
        from twisted_ext.transport.urls import escaped

        options = {**more, "pins": ",".join(self.pins), "ca": self.ca, "certificate": self.certificate, "key": self.key}
        return "".join([f":{key}={escaped(value)}" for key, value in options.items() if value])


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
