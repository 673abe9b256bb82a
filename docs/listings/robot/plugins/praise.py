"""
Count praise: "alice++" in a channel.
"""

import re

from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.interfaces import IScheduler, IStorage, RetrievalError
from twisted_ext.apps.robot.people import folded
from twisted_ext.apps.robot.plugin import Call, Effect, RobotPlugin, command, hears, option
from twisted_ext.apps.robot.text import bold, line
from twisted_ext.server.config import types

VERSION = "1"
PRAISE = re.compile(r"([\w\[\]\\`^{|}-]{1,30})\+\+(?=\s|$)")


class Praise(RobotPlugin):
    """
    Who was praised how often.
    """

    channel = option(types.TEXT, "", "The channel that gets the numbers each Friday: network/#channel")
    most = option(types.COUNT, 3, "How many nicks are shown")

    async def init(self, robot):
        super().init(robot)
        try:
            self.counts = await IStorage(robot).retrieve("praise", VERSION)
        except RetrievalError:
            self.counts = {}
        if self.channel:
            IScheduler(robot).schedule("0 15 * * 5", self.announce)

    @hears(Message)
    async def count(self, message: Message):
        for nick in PRAISE.findall(message.text):
            if folded(nick) != folded(message.person.nick):
                self.counts[folded(nick)] = self.counts.get(folded(nick), 0) + 1
                await IStorage(self.robot).store("praise", VERSION, self.counts)

    @command()
    async def praised(self, call: Call):
        """
        Show who was praised most.
        """
        best = sorted(self.counts.items(), key=lambda item: -item[1])[: self.most]
        return [line(bold(nick), f": {count}") for nick, count in best] or "There was no praise yet."

    @command(Effect.WRITES)
    async def unpraise(self, call: Call, *nicks: str):
        """
        Forget the praise of some nicks.
        """
        for nick in nicks:
            self.counts.pop(folded(nick), None)
        await IStorage(self.robot).store("praise", VERSION, self.counts)
        return "forgotten"

    async def announce(self):
        self.robot.say(self.robot.placeFrom(self.channel), await self.praised(None))


praise = Praise()
