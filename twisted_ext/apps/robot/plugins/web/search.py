"""
Asks a search engine that has a JSON interface.
"""

from __future__ import annotations

from twisted_ext.apps.robot.plugin import Call, Effect, Rest, RobotPlugin, command, option
from twisted_ext.apps.robot.providers import TEMPLATE, document, linesFrom, urlKind, urlWith
from twisted_ext.apps.robot.table import SECRET
from twisted_ext.apps.robot.text import Said
from twisted_ext.server.config import types

__all__ = ["Search"]


class Search(RobotPlugin):
    url: str = option(urlKind("query", "key"), None, "The URL, with {query} for the words, and {key} for the key")
    key: str = option(SECRET, "", "The key for the search engine")
    results: str = option(types.TEXT, "results", "The path of the list of results in the document")
    line: str = option(TEMPLATE, "{title} {url}", "The line for a result, with paths into it")

    @command(Effect.REACHES)
    async def search(self, call: Call, words: Rest) -> Said:
        """
        Search for words, and show the first results.
        """
        found = await document(self.robot, urlWith(self.url, query=words, key=self.key))
        return linesFrom(found, self.results, self.line) or "nothing was found"
