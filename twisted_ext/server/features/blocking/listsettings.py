"""
The settings of a list that has a name: a C{[[list]]} table, or C{--list NAME=FILE}, or C{--list NAME=URL}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.tables import TableSettings, key
from twisted_ext.wire.rdata.times import secondsFromDuration

__all__ = ["ListSettings"]

_SCHEME: Final = "https://"

#: The characters of a URL in a request; others are encoded.
_PLAIN: Final = frozenset(map(chr, range(0x21, 0x7F)))


def _url(text: str) -> str:
    if not text.startswith(_SCHEME):
        scheme, mark, _ = text.partition("://")
        raise BadDescription(f"{scheme}:// is not used, as anybody on the way could change the list" if mark else f"{text!r} has no https://")
    if not _PLAIN.issuperset(text):
        raise BadDescription("it has a space, or a character that is not of ASCII; write these as %20, or in Punycode")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadDescription(str(error)) from None
    if not host:
        raise BadDescription(f"{text!r} has no host")
    if "@" in parts.netloc:
        raise BadDescription("names and passwords in URLs are not supported; leave out the part before @")
    return text.partition("#")[0]


class ListSettings(TableSettings):
    """
    The settings of a list that has a name.

    @ivar file: the absolute path of its file; C{""} for none.
    @ivar names: the lines that the settings give.
    """

    table = "list"
    example = "ads"
    short = "its file or URL"
    atRunTime = frozenset(["url", "names", "every", "allow"])

    __slots__ = ()

    file: str = key(types.LIST, "", "Its file, in the formats of block-list")
    url: str = key(types.Text("a URL, such as https://lists.example/ads.txt", _url), "", "Where to fetch it, in place of a file")
    names: tuple[str, ...] = key(types.TEXT, (), "Its names, or other lines as files have them, in place of a file")
    # Who publishes a list asks not to be asked more often than each hour or so.
    every: str = key(types.duration("1h", "30d"), "1d", "How often to fetch it")
    allow: bool = key(types.FLAG, False, "It is a list of exceptions: names in it are not blocked, whichever list has them")
    rewrite: bool = key(
        types.FLAG, False, "Rules with $dnsrewrite may give clients other answers than upstreams: it is trusted with that"
    )

    def check(self) -> None:
        name, values = self.name, self.values
        given = [each for each in ("file", "url", "names") if values.get(each)]
        if not given:
            raise BadDescription(f'list {name} has no file, no url and no names; write file = "{name}.txt"')
        if len(given) > 1:
            raise BadDescription(f"list {name} has a {given[0]} and {'a ' * (given[1] == 'url')}{given[1]}; leave one of them out")
        if "every" in values and not self.url:
            raise BadDescription(f"list {name}: every is for a list with a url; a file is read when it has changed")
        if self.allow and self.rewrite:
            raise BadDescription(f"list {name} has allow and rewrite; a list of exceptions rewrites nothing: leave one of them out")
        if self.file:
            self.values = {**values, "file": os.path.abspath(self.file)}

    @classmethod
    def keysIn(cls, text: str) -> Mapping[str, object]:
        return {"url" if "://" in text else "file": text}

    @property
    def seconds(self) -> int:
        """
        How long after it was fetched it is fetched again.
        """
        return secondsFromDuration(self.every)

    def toText(self) -> str:
        return super().toText() if len(self.values) > 2 or self.names else f"{self.name}={self.file or self.url}"

    @property
    def place(self) -> str:
        """
        Its file or URL; if it has neither, a text that changes with its lines.
        """
        if self.names:
            # Imported for lists of this kind only.
            from hashlib import blake2b

            return f"settings:{blake2b(chr(10).join(self.names).encode('utf-8'), digest_size=8).hexdigest()}"
        return self.file or self.url

    @property
    def word(self) -> str:
        """
        The list, as L{RuleList<twisted_ext.resolver.policy.rules.table.RuleList>} has it.
        """
        kind = "except" if self.allow else "rewrite" if self.rewrite else "block"
        return f"{kind}:{self.name}={self.place}"
