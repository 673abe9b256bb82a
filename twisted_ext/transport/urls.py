"""
URLs of encrypted servers: C{tls://192.0.2.53#dns.example}, C{https://dns.example/dns-query{?dns}}, C{quic://dns.example}.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from mypy_extensions import mypyc_attr

from twisted_ext.discovery.targets import hostIn
from twisted_ext.errors import BadDescription, BadName
from twisted_ext.transport.servers import Server

__all__ = ["DEFAULT_PATH", "PORTS", "ServerURL", "canonicalHost", "escaped", "hostPort", "isAddress"]

#: The schemes and their default ports (RFC 7858, section 3.1; RFC 8484; RFC 9250, section 4.1.1).
PORTS: Final = {"tls": 853, "https": 443, "quic": 853}

#: The path of an HTTPS URL without one.
DEFAULT_PATH: Final = "/dns-query"

#: The only expressions of RFC 6570 in which a server's template can take the query (RFC 8484, section 4.1).
_EXPRESSIONS: Final = ("{?dns}", "{&dns}")

_EXPRESSION: Final = re.compile(r"\{[^{}]*\}")

#: Characters of a path and a query (RFC 3986, section 3.3); others are encoded, and a percent sign begins an encoded one.
_PATH: Final = "/?:@!$&'()*+,;=-._~%"

_ENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

#: The beginning of an IPv6 address up to its first colon.
_GROUP: Final = re.compile("[0-9A-Fa-f]{1,4}")

#: Characters that have a meaning in a description.
_SPECIAL: Final = re.compile(r"[\\:\[\]()]")


def escaped(text: str) -> str:
    """
    Return a text with a backslash before each character that has a meaning in a description.
    """
    return _SPECIAL.sub(r"\\\g<0>", text)


def hostPort(text: str, default: int) -> tuple[str, int]:
    """
    Split C{dns.example}, C{192.0.2.53:853}, C{[2001:db8::53]} or C{:853} into host and port; the host may be empty.

    @raise BadDescription: the port is not a number from 1 to 65535, or a bracket is not closed.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise BadDescription(f"{text!r}: after [address] comes nothing, or :port")
        colon, digits = rest[:1], rest[1:]
        if ":" not in host:
            raise BadDescription(f"{text!r}: square brackets are for IPv6 addresses")
    else:
        host, colon, digits = text.partition(":")
        if ":" in digits:
            raise BadDescription(f"{text!r}: write an IPv6 address in square brackets")
    if not colon:
        return host, default
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) < 65536):
        raise BadDescription(f"a port takes a number from 1 to 65535, not {digits!r}")
    return host, int(digits)


def canonicalHost(text: str) -> str:
    """
    Return a name in ASCII without a final dot, in lower case, or an address in its shortest form.

    @param text: a name, or an address with or without square brackets.

    @raise BadDescription: it is neither.
    """
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if ":" in text:
        # A zone's percent sign is encoded in a URL (RFC 6874).
        return Server(text.replace("%25", "%", 1)).address
    try:
        return Server(text).address
    except BadDescription:
        pass
    try:
        return hostIn(text).lower()
    except BadName as fault:
        hint = "; write an IPv6 address in square brackets" if _GROUP.fullmatch(text) else ""
        raise BadDescription(f"{text!r:.80} is not a valid host name or IP address, such as dns.example or 192.0.2.53{hint}") from fault


def isAddress(host: str) -> bool:
    """
    Return whether a host as L{canonicalHost} returns it is an address.
    """
    return ":" in host or host.rpartition(".")[2].isdigit()


@mypyc_attr(allow_interpreted_subclasses=True)
@dataclass(frozen=True, slots=True)
class ServerURL:
    """
    The URL of an encrypted server.

    @ivar scheme: a key of L{PORTS}.
    @ivar host: the server's name in ASCII without a final dot, or its address in the shortest form; for C{https}, the host of requests.
    @ivar name: the name or address that the server's certificate must have, if it is not C{host}: what follows C{#}.
    @ivar path: of C{https}: the path and query, percent-encoded, with an expression C{{?dns}} if the URL has one.
    """

    scheme: str
    host: str
    port: int
    name: str = ""
    path: str = ""

    @classmethod
    def fromText(cls, text: str) -> ServerURL:
        """
        @raise BadDescription: the URL is not valid.
        """
        scheme, mark, rest = text.strip().partition("://")
        scheme = scheme.lower()
        if not mark or scheme not in PORTS:
            raise BadDescription(f"{text!r:.80} is not the URL of a server; write one such as tls://192.0.2.53#dns.example")
        if not rest.isprintable() or " " in rest:
            raise BadDescription(f"{text!r:.80}: a URL has no spaces or control characters")
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        beyond = rest[len(authority) :]
        path, sharp, name = beyond.partition("#")
        if "@" in authority:
            host, _, port = authority.partition("@")
            if port.isdigit() and (":" not in host or host.startswith("[")):
                raise BadDescription(f"{authority!r:.80}: the port follows a colon; write the port as {host}:{port}")
            # Not the part before, which may be a password.
            rest = authority.rpartition("@")[2]
            raise BadDescription(f"'...@{rest:.80}': names and passwords in URLs are not supported; leave out the part before @")
        host, port = hostPort(authority, PORTS[scheme])
        if not host:
            raise BadDescription(f"{text!r:.80}: the host is missing; write {scheme}://dns.example")
        host = canonicalHost(host)
        if scheme == "https":
            if sharp:
                raise BadDescription(f"'#{name:.80}': leave it out; the certificate of an https server has to name the URL's host")
            return cls(scheme, host, port, "", _pathFrom(path))
        if path not in ("", "/"):
            raise BadDescription(f"{path!r:.80}: a URL of {scheme} has no path; only https has one")
        if sharp and not name:
            raise BadDescription(f"after # comes the name in the server's certificate: {scheme}://{authority}#dns.example")
        named = canonicalHost(name) if name else ""
        return cls(scheme, host, port, "" if named == host else named)

    @property
    def identity(self) -> str:
        """
        The name or address that the certificate must have.
        """
        return self.name or self.host

    @property
    def address(self) -> Server | None:
        """
        The server if the host is an address, L{None} if it is a name that has to be looked up.
        """
        return Server(self.host, self.port) if isAddress(self.host) else None

    @property
    def authority(self) -> str:
        """
        The host, and the port if it is not the scheme's default, as in a URL and in a request.
        """
        host = f"[{self.host.replace('%', '%25', 1)}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def getTarget(self, query: str) -> str:
        """
        Return the path and query of a GET request (RFC 8484, section 4.1).

        @param query: the message in base64url without padding.
        """
        for expression in _EXPRESSIONS:
            if expression in self.path:
                return self.path.replace(expression, f"{expression[1]}dns={query}")
        return f"{self.path}{'&' if '?' in self.path else '?'}dns={query}"

    @property
    def postTarget(self) -> str:
        """
        The path and query of a POST request: the template without its variable.
        """
        return _EXPRESSION.sub("", self.path)

    def description(self, **options: str) -> str:
        """
        Return the description of this server with these options, in which colons and brackets are escaped.
        """
        said = [f":{key}={escaped(value)}" for key, value in options.items() if value]
        if not self.path:
            return f"{self}{''.join(said)}"
        return f"{self.scheme}://{self.authority}{escaped(self.path)}{''.join(said)}"

    def __str__(self) -> str:
        mark = "" if not self.name else f"#[{self.name}]" if ":" in self.name else f"#{self.name}"
        return f"{self.scheme}://{self.authority}{self.path}{mark}"


def _pathFrom(path: str) -> str:
    """
    @raise BadDescription: the path has an expression other than C{{?dns}}, or an invalid percent-encoding.
    """
    if not path:
        return DEFAULT_PATH
    if path.startswith("?"):
        path = "/" + path
    if _ENCODED.search(path):
        raise BadDescription(f"{path!r:.80}: two hexadecimal digits follow a percent sign; write %25 for the character itself")
    expressions = _EXPRESSION.findall(path)
    rest = _EXPRESSION.sub("", path)
    if "{" in rest or "}" in rest:
        raise BadDescription(f"{path!r:.80}: a brace has no counterpart; a template has the expression {{?dns}}")
    if len(expressions) > 1 or any(each not in _EXPRESSIONS for each in expressions):
        raise BadDescription(f"{path!r:.80}: a template has one expression, {{?dns}} or {{&dns}}, not {' and '.join(expressions)}")
    if expressions and ("{&dns}" in expressions) != ("?" in rest):
        raise BadDescription(f"{path!r:.80}: write {{&dns}} after a path with a question mark, {{?dns}} after one without")
    if expressions and not path.endswith(expressions[0]):
        raise BadDescription(f"{path!r:.80}: the expression {expressions[0]} stands at the end")
    return quote(rest, safe=_PATH) + "".join(expressions)
