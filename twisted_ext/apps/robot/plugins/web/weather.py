"""
Asks for the weather at a provider that has a JSON interface.
"""

from __future__ import annotations

from twisted_ext.apps.robot.plugin import Call, Effect, Rest, RobotPlugin, command, option
from twisted_ext.apps.robot.providers import TEMPLATE, document, lineFrom, urlKind, urlWith
from twisted_ext.apps.robot.table import SECRET
from twisted_ext.apps.robot.text import Said

__all__ = ["Weather"]


class Weather(RobotPlugin):
    url: str = option(urlKind("place", "key"), None, "The URL, with {place} for the place, and {key} for the key")
    key: str = option(SECRET, "", "The key for the provider")
    line: str = option(TEMPLATE, None, "The reply, with paths into the document")

    @command(Effect.REACHES)
    async def weather(self, call: Call, place: Rest) -> Said:
        """
        Show the weather at a place.
        """
        found = await document(self.robot, urlWith(self.url, place=place, key=self.key))
        return lineFrom(found, self.line)
