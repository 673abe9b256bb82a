"""
The upstreams of AdGuard Home, with those for some domains only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from twisted_ext.apps.cli.convert.addresses import Upstream, isAddress
from twisted_ext.apps.cli.convert.adguard.keys import Key, Table
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.local.specialnames import EMPTY_ZONES

__all__ = ["convertUpstreams"]

_FOR_DOMAINS: Final = re.compile(r"\[/(.*)/\](.*)")

#: Ports that are not written.
_PORTS: Final = {"udp": 53, "tcp": 53, "tls": 853, "quic": 853}

#: The default upstreams, where an upstream for a domain is expected.
_DEFAULTS: Final = "#"

#: Networks that homes use, by the ends of the names of their reverse zones.
_PRIVATE: Final = ("10.in-addr.arpa", "172.in-addr.arpa", "168.192.in-addr.arpa", "d.f.ip6.arpa", "e.f.ip6.arpa")


def convertUpstreams(dns: Table, includes: Includes, converted: Converted) -> None:
    _Upstreams(dns, converted).convert(includes)


class _Upstreams:
    def __init__(self, dns: Table, converted: Converted) -> None:
        self._dns = dns
        self._converted = converted
        self._http3 = dns.flag("use_http3_upstreams")
        self._bootstrap = self._bootstraps()
        # The servers for each domain, and the first place that has it.
        self._routes: dict[str, tuple[list[str], Place]] = {}

    def convert(self, includes: Includes) -> None:
        converted, dns = self._converted, self._dns
        usual = [(text, each.placeOfText) for each in self._listed(includes) for text in self._sorted(each)]
        for text, place in usual:
            converted.add("upstream", text, place)
        private = [text for each in self._private() for text in self._sorted(each)]
        if private:
            for zone in [zone for zone in EMPTY_ZONES if zone.endswith(_PRIVATE)]:
                self._routes.setdefault(zone, ([], dns.place("local_ptr_upstreams")))[0].extend(private)
        for domain, (servers, place) in self._routes.items():
            found = [server for each in servers for server in ([text for text, _ in usual] if each == _DEFAULTS else [each])]
            if not found:
                converted.missing(place, "no upstreams are given that this domain could be asked at")
                continue
            converted.add("route", f"{domain}={_together(found)}", place)
        fallbacks = [(text, each) for each in dns.texts("fallback_dns") for text in self._sorted(each)]
        for text, each in fallbacks:
            converted.add("upstream", text, each.placeOfText)
        if fallbacks:
            converted.note(dns.place("fallback_dns"), "these are asked as well if the upstreams before them take long")
        self._mode(bool(fallbacks))

    def _mode(self, hasFallbacks: bool) -> None:
        converted, dns = self._converted, self._dns
        mode = dns.text("upstream_mode")
        # Earlier versions have two switches.
        fastest = dns.flag("fastest_addr") or mode == "fastest_addr"
        parallel = dns.flag("all_servers") or mode == "parallel"
        dns.know("fastest_timeout")
        place = dns.place("upstream_mode") if mode else dns.place("fastest_addr" if fastest else "all_servers")
        if fastest:
            converted.missing(place, "the addresses in answers are not tried out; clients do so")
        elif parallel and hasFallbacks:
            converted.differs(place, "with fallbacks, the next upstream is asked if one takes long", "see hedge")
        elif parallel:
            converted.set("hedge", 0, place)
        elif mode not in ("", "load_balance"):
            converted.wrong(place, f"{mode!r} is not a mode")

    def _bootstraps(self) -> str:
        found: list[str] = []
        for each in self._dns.texts("bootstrap_dns"):
            scheme, mark, rest = each.text.strip().partition("://")
            server = _serverIn(rest if mark else scheme, 53) if not mark or scheme.lower() in ("udp", "tcp") else None
            if server is None or not isAddress(server.address):
                self._converted.missing(each.placeOfText, "addresses of upstreams are looked up at plain servers", "write an IP address")
            else:
                found.append(server.text)
        return f":bootstrap={','.join(found)}" if found else ""

    def _listed(self, includes: Includes) -> list[Key]:
        """
        Return the upstreams, from a file of their own if there is one.
        """
        dns = self._dns
        listed = dns.texts("upstream_dns")
        path = dns.text("upstream_dns_file")
        if not path:
            return listed
        try:
            path = includes.pathOf(path)
            text = includes.text(path)
        except BadDescription as fault:
            self._converted.wrong(dns.place("upstream_dns_file"), str(fault))
            return []
        return [Key("dns.upstream_dns_file", path, number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]

    def _private(self) -> list[Key]:
        dns = self._dns
        listed = dns.texts("local_ptr_upstreams")
        if not dns.flag("use_private_ptr_resolvers", default=True):
            return []
        if not listed and dns.has("use_private_ptr_resolvers"):
            self._converted.note(
                dns.place("use_private_ptr_resolvers"),
                "names of private addresses are answered here, and not asked at the servers of the system",
                'write route = ["168.192.in-addr.arpa=udp:192.168.1.1"] with the address of the router',
            )
        return listed

    def _sorted(self, key: Key) -> list[str]:
        """
        Return the description of an upstream for all names. One for some domains is kept for them.
        """
        text = key.text.strip()
        if not text or text.startswith("#"):
            return []
        matched = _FOR_DOMAINS.fullmatch(text)
        if matched is None:
            return self._described(text, key.placeOfText)
        place = key.placeOfText
        servers: list[str] = []
        for server in matched[2].split():
            servers += [_DEFAULTS] if server == _DEFAULTS else self._described(server, place)
        if not matched[2].strip():
            self._converted.wrong(place, "an upstream is missing")
        for domain in matched[1].split("/"):
            if not domain:
                self._converted.missing(place, "no upstream is for names of one label only", "see domain-needed and expand-hosts")
                continue
            if domain.startswith("*."):
                self._converted.differs(place, f"{domain[2:]} itself is asked there as well")
            if servers:
                self._routes.setdefault(domain.removeprefix("*."), ([], place))[0].extend(servers)
        return []

    def _described(self, text: str, place: Place) -> list[str]:
        """
        Return the description of a server, nothing with a finding.
        """
        scheme, mark, rest = text.partition("://")
        scheme, rest = (scheme.lower(), rest) if mark else ("udp", text)
        if scheme == "sdns":
            # A DNS stamp, which is a description as it is.
            return [text]
        if scheme in ("https", "h3"):
            return self._url(rest, "only" if scheme == "h3" else "yes" if self._http3 else "", place)
        server = _serverIn(rest, _PORTS[scheme]) if scheme in _PORTS else None
        if server is None:
            self._converted.wrong(place, "this is not an upstream")
        elif isAddress(server.address):
            return [f"{scheme}:{server.text}"]
        elif scheme in ("udp", "tcp"):
            self._converted.missing(place, "a plain server is given by its address")
        else:
            return [f"{scheme}:{server.text}{self._bootstrap}"]
        return []

    def _url(self, rest: str, http3: str, place: Place) -> list[str]:
        try:
            host = urlsplit(f"https://{rest}").hostname or ""
        except ValueError:
            host = ""
        if not host:
            self._converted.wrong(place, "this is not an upstream")
            return []
        authority, slash, path = rest.partition("/")
        escaped = path.replace("\\", "\\\\").replace(":", "\\:")
        options = f":http3={http3}" if http3 else ""
        return [f"https://{authority}{slash}{escaped}{options}{'' if isAddress(host) else self._bootstrap}"]


def _serverIn(text: str, usual: int) -> Upstream | None:
    """
    Return the server in an address or a name, with a port or without.
    """
    text = text.rstrip("/")
    if isAddress(text):
        return Upstream(text)
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        return None
    if not re.fullmatch(r"[\w.:%-]+", host, re.ASCII) or parts.path or parts.query or parts.fragment:
        return None
    return Upstream(host, 0 if port == usual else port)


def _together(servers: Iterable[str]) -> str:
    """
    Return the description of servers that are asked one after the other.
    """
    found = list(dict.fromkeys(servers))
    return found[0] if len(found) == 1 else f"chain:{':'.join([f'({each})' for each in found])}"
