"""
The formats that C{txdns convert} reads, and which one a file has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted
from twisted_ext.apps.cli.convert.included import Includes

__all__ = ["FORMATS", "Format", "detected", "formatNamed"]

#: What converts a configuration: its text, its absolute path, what reads the files that it includes, and the result to fill.
Converter = Callable[[str, str, Includes, Converted], None]


@dataclass(frozen=True, slots=True)
class Format:
    """
    A format of configurations. Its module has the function C{convert}, a L{Converter}.

    @ivar word: its name for C{--from}.
    @ivar title: its name for people.
    @ivar names: a regular expression for names of files.
    @ivar marks: one for lines that only this format has.
    @ivar module: the name of its module, relative to this package.
    """

    word: str
    title: str
    names: re.Pattern[str]
    marks: re.Pattern[str]
    module: str

    def load(self) -> Converter:
        found: Converter = import_module(f"twisted_ext.apps.cli.convert.{self.module}").convert
        return found


def _format(word: str, title: str, names: str, marks: str, module: str = "") -> Format:
    return Format(word, title, re.compile(names), re.compile(marks, re.MULTILINE), module or word)


#: All formats. If the name of a file says nothing, the first one that has a mark in it is taken.
FORMATS: Final = (
    _format("resolved", "systemd-resolved's resolved.conf", r"resolved(-.*)?\.conf$", r"^\[Resolve\]\s*$"),
    _format(
        "pihole",
        "Pi-hole's pihole.toml",
        r"pihole(-ftl)?\.toml",
        r"^# (?:Pi-hole configuration file|This file is managed by pihole-FTL)",
        "pihole.settings",
    ),
    _format(
        "adguard",
        "AdGuard Home's AdGuardHome.yaml",
        r"adguardhome.*\.ya?ml",
        r"^(?:schema_version: \d+\s*$|(?:whitelist_filters|user_rules):)",
        "adguard.settings",
    ),
    _format(
        "dnsmasq",
        "dnsmasq's dnsmasq.conf",
        r"(.*[-_.])?dnsmasq([-_.].*)?$",
        r"^(?:domain-needed|bogus-priv|expand-hosts|no-resolv|no-hosts|no-poll|strict-order|all-servers|stop-dns-rebind|bind-interfaces"
        r"|bind-dynamic|(?:address|server|local)=/\S+|(?:server|listen-address|interface|addn-hosts|conf-dir|conf-file|resolv-file"
        r"|cache-size|dhcp-[a-z]+|host-record|cname|srv-host|port|txt-record|mx-host|ptr-record)=\S+)\s*(?:#.*)?$",
        "dnsmasq.settings",
    ),
    _format(
        "coredns",
        "CoreDNS's Corefile",
        r"(.*[-_.])?corefile([-_.].*)?$",
        r"^[^\s#{}]+[^#{}\n]*\{\s*(?:#.*)?\n\s+(?:errors|log|forward|cache|file|hosts|bind)\b",
        "coredns.settings",
    ),
    _format(
        "named",
        "BIND's named.conf",
        r"named[-_.]?.*conf.*$",
        r'^\s*(?:(?:options|logging)\s*\{|acl\s+\S+\s*\{|zone\s+"[^"]*"(?:\s+IN)?\s*\{)',
        "named.settings",
    ),
    _format(
        "unbound",
        "Unbound's unbound.conf",
        r"(.*[-_.])?unbound([-_.].*)?$",
        r"^\s*(?:server|forward-zone|stub-zone|auth-zone|remote-control|include-toplevel):",
        "unbound.settings",
    ),
)


def formatNamed(word: str) -> Format | None:
    """
    Return the format with this name for C{--from}; BIND's server has that of its program, or its own.
    """
    word = "named" if word == "bind" else word
    for each in FORMATS:
        if each.word == word:
            return each
    return None


def detected(path: str, text: str) -> Format | None:
    """
    Return the format of a configuration, by its name, or else by its text; L{None} if neither is known.
    """
    name = os.path.basename(path).lower()
    for each in FORMATS:
        if each.names.match(name):
            return each
    for each in FORMATS:
        if each.marks.search(text):
            return each
    return None
