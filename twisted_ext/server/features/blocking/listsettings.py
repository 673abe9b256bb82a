"""
The settings of a list that has a name: a C{[[list]]} table, or C{--list NAME=FILE}, or C{--list NAME=URL}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Setting
from twisted_ext.server.config.tables import checkedTable, tableFromText, tableToText, tableToTOML
from twisted_ext.wire.rdata.times import secondsFromDuration

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value

__all__ = ["LIST_SETTINGS", "ListSettings"]

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


#: The settings of a C{[[list]]} table.
LIST_SETTINGS: Final = (
    Setting("name", types.LABEL, "", "The list's name"),
    Setting("file", types.LIST, "", "Its file, in the formats of block-list"),
    Setting("url", types.Text("a URL, such as https://lists.example/ads.txt", _url), "", "Where to fetch it, in place of a file"),
    Setting("names", types.TEXT, (), "Its names, or other lines as files have them, in place of a file"),
    # Who publishes a list asks not to be asked more often than each hour or so.
    Setting("every", types.duration("1h", "30d"), "1d", "How often to fetch it"),
    Setting("allow", types.FLAG, False, "It is a list of exceptions: names in it are not blocked, whichever list has them"),
    Setting("rewrite", types.FLAG, False, "Rules with $dnsrewrite may give clients other answers than upstreams: it is trusted with that"),
)


class ListSettings:
    """
    The settings of a list that has a name.

    @ivar name: its name.
    @ivar file: the absolute path of its file; C{""} for none.
    @ivar url: where it is fetched; C{""} if it is not.
    @ivar lines: those that the settings give.
    @ivar every: seconds between two fetches.
    @ivar allow: whether it is a list of exceptions.
    @ivar rewrite: whether it may rewrite answers.
    """

    __slots__ = ("allow", "every", "file", "lines", "name", "rewrite", "url", "_values")

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.name = str(values["name"])
        self.file = str(values.get("file", ""))
        self.url = str(values.get("url", ""))
        lines = values.get("names", ())
        self.lines = lines if isinstance(lines, tuple) else (str(lines),)
        self.every = secondsFromDuration(str(values.get("every", "1d")))
        self.allow = bool(values.get("allow", False))
        self.rewrite = bool(values.get("rewrite", False))
        self._values = values

    @classmethod
    def fromTable(cls, table: Mapping[str, object], folder: str = "") -> ListSettings:
        values = checkedTable(table, LIST_SETTINGS, "list", "ads", folder)
        name = str(values["name"])
        given = [key for key in ("file", "url", "names") if values.get(key)]
        if not given:
            raise BadDescription(f'list {name} has no file, no url and no names; write file = "{name}.txt"')
        if len(given) > 1:
            raise BadDescription(f"list {name} has a {given[0]} and {'a ' * (given[1] == 'url')}{given[1]}; leave one of them out")
        if "every" in values and not values.get("url"):
            raise BadDescription(f"list {name}: every is for a list with a url; a file is read when it has changed")
        if values.get("allow") and values.get("rewrite"):
            raise BadDescription(f"list {name} has allow and rewrite; a list of exceptions rewrites nothing: leave one of them out")
        if values.get("file"):
            values["file"] = os.path.abspath(str(values["file"]))
        return cls(values)

    @classmethod
    def fromText(cls, text: str, folder: str = "") -> ListSettings:
        """
        Parse C{NAME=FILE} or C{NAME=URL}, or the result of L{toText}.
        """
        if text.startswith("{"):
            return cls.fromTable(tableFromText(text, "list"), folder)
        name, equals, place = text.partition("=")
        if not equals or not name or not place:
            raise BadDescription(f"{text!r} is not a valid list: write its name, an equals sign, and its file or URL")
        return cls.fromTable({"name": name, "url" if "://" in place else "file": place}, folder)

    def toText(self) -> str:
        return tableToText(self._values) if len(self._values) > 2 or self.lines else f"{self.name}={self.file or self.url}"

    def toTOML(self) -> str:
        return tableToTOML(self._values)

    @property
    def place(self) -> str:
        """
        Its file or URL; if it has neither, a text that changes with its lines.
        """
        if self.lines:
            # Imported for lists of this kind only.
            from hashlib import blake2b

            return f"settings:{blake2b(chr(10).join(self.lines).encode('utf-8'), digest_size=8).hexdigest()}"
        return self.file or self.url

    @property
    def word(self) -> str:
        """
        The list, as L{RuleList<twisted_ext.resolver.policy.rules.table.RuleList>} has it.
        """
        kind = "except" if self.allow else "rewrite" if self.rewrite else "block"
        return f"{kind}:{self.name}={self.place}"
