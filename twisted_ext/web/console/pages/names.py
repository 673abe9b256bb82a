"""
The page of local names: records that this server has for its own network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.server.features.localnames.feature import LocalNamesSettings
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleReply

if TYPE_CHECKING:
    from twisted_ext.server.operations.operations import Operations

__all__ = ["NamesPage"]

#: Records of the page.
_SHOWN: Final = 1_000

#: The types that the form offers; any other one can be written.
_TYPES: Final = ("A", "AAAA", "CNAME", "TXT", "SRV", "MX")


class NamesPage:
    """
    Makes the page. Its forms lead to L{SettingsPage.do<twisted_ext.web.console.pages.settings.SettingsPage.do>}.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def __call__(self, asked: ConsoleAsked) -> ConsoleReply:
        wanted, inForce = asked.fields.get("q", "").strip().lower(), self._operations.inForce
        settings, own = inForce[LocalNamesSettings], inForce.own[LocalNamesSettings].local
        rows = [{"record": text, "isAdded": text not in own} for text in settings.local if wanted in text.lower()]
        values: dict[str, object] = {
            "q": wanted,
            "count": len(rows),
            "rows": rows[:_SHOWN],
            "files": [path for path in (*settings.localFile, *settings.hostsFile) if path],
            "types": _TYPES,
            "address": asked.fields.get("address", "")[:64],
        }
        return ConsoleReply(values)
