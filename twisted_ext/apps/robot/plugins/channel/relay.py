"""
Joins channels of several networks to one.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.robot.events import Joined, Kicked, Left, Message, Quit, Renamed, Spoken
from twisted_ext.apps.robot.interfaces import IDiscriminating, Urgency
from twisted_ext.apps.robot.limits import CHANNEL_MEMBERS
from twisted_ext.apps.robot.people import Person, Place, folded
from twisted_ext.apps.robot.plugin import RobotPlugin, hears, option
from twisted_ext.apps.robot.text import Line, dim, line, name
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Relay"]

#: Seconds for which the persons that a netsplit takes away, or brings back, are gathered for one line.
_SPLIT_SECONDS: Final = 5.0

#: Nicks in that line.
_SPLIT_NAMED: Final = 8

#: Seconds for which it does.
_RELAY_SECONDS: Final = 60.0

#: Lines that the relay remembers, to recognize what another relay repeats.
_RELAY_KEPT: Final = 1000

#: How relays begin the lines that they repeat: <nick>, [nick], (nick), * nick.
_REPEATED: Final = re.compile(r"(?:[<\[(][^<>\[\]()]{1,80}[>\])]|\*+ \S{1,80}) ")

#: The reason of a quit when two servers lose each other: their names.
_SPLIT: Final = re.compile(r"[\w*-]+(?:\.[\w*-]+)+ [\w*-]+(?:\.[\w*-]+)+")


def _link(text: str) -> str:
    places = [each.strip() for each in text.split("=")]
    if len(places) < 2 or not all(re.fullmatch(r"[\w.-]+/[#&+!][^\s,]+", each) for each in places):
        raise BadDescription(f"{text!r} is not one")
    return " = ".join(places)


class Relay(RobotPlugin):
    """
    Says in each channel of a link what is said in the others.
    """

    links: tuple[str, ...] = option(types.Text("channels such as libera/#dns = oftc/#dns", _link), (), "Channels that are joined to one")
    joins: bool = option(types.FLAG, False, "Whether to report who comes and goes")

    def init(self, robot: Robot) -> None:
        super().init(robot)
        self._others: dict[tuple[str, str], list[Place]] = {}
        for link in self.links:
            places = [Place(front, target) for front, _, target in [each.partition("/") for each in link.split(" = ")]]
            for place in places:
                others = self._others.setdefault(place.key, [])
                others += [other for other in places if other.key != place.key and other not in others]
        #: Lines that the robot has said in a link, and the texts that it has heard there, with their times.
        self._said: deque[tuple[float, str]] = deque(maxlen=_RELAY_KEPT)
        self._heard: deque[tuple[float, str]] = deque(maxlen=_RELAY_KEPT)
        self._relaying = False
        #: Nicks by place and what has happened to them, and those who may come back.
        self._gathered: dict[tuple[tuple[str, str], str], list[str]] = {}
        self._away: OrderedDict[tuple[str, str], bool] = OrderedDict()
        self._timers: set[IDelayedCall] = set()
        robot.plugins.atEnd(self.name, self._stop)

    def _stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # -- what is said

    @hears(Message)
    def relay(self, message: Message) -> None:
        place, text = message.place, message.text
        discriminating: IDiscriminating | None = IDiscriminating(self.robot, None)
        if message.notice or place.key not in self._others or not text or (discriminating and discriminating.isIgnored(message.person)):
            return
        if self._isEcho(text):
            return
        self._remember(self._heard, text)
        for other in self._others[place.key]:
            who = self._marked(message.person, place, other)
            self._say(other, line("* ", name(who), f" {text}") if message.action else line("<", name(who), f"> {text}"))

    @hears(Spoken)
    def repeat(self, spoken: Spoken) -> None:
        if not self._relaying and spoken.place.key in self._others:
            front = self.robot.fronts[spoken.place.front]
            for other in self._others[spoken.place.key]:
                self._say(other, line("<", name(front.nick), f"> {spoken.text}"))

    def _say(self, place: Place, said: Line) -> None:
        self._remember(self._said, str(said))
        self._relaying = True
        try:
            self.robot.say(place, said, Urgency.RELAY)
        finally:
            self._relaying = False

    def _marked(self, person: Person, place: Place, other: Place) -> str:
        """
        Return a nick, with its network if someone else in the linked channels has the same.
        """
        nick = re.sub(r"[\s<>]", "_", person.nick)
        for each in {other, *self._others[place.key]}:
            front = self.robot.fronts.get(each.front)
            if front is not None and folded(person.nick) in map(folded, [front.nick, *front.members(each.target)]):
                return f"{nick}@{person.front}"
        return nick

    def _remember(self, where: deque[tuple[float, str]], text: str) -> None:
        where.append((self.robot.reactor.seconds(), text))

    def _isEcho(self, text: str) -> bool:
        """
        Return whether another relay in the channel repeats what was said in the link before. It may have any form; if it is the usual one,
        it is recognized at the first round, and if not, when it repeats a line of ours.
        """
        since = self.robot.reactor.seconds() - _RELAY_SECONDS
        if any(said in text for when, said in self._said if when >= since):
            return True
        rest = text
        while found := _REPEATED.match(rest):
            rest = rest[found.end() :]
        return rest != text and any(rest == heard for when, heard in self._heard if when >= since)

    # -- who comes and goes

    @hears(Joined)
    def come(self, joined: Joined) -> None:
        if self._away.pop((joined.person.front, folded(joined.person.nick)), False):
            self._gather(joined.place, "are back after the netsplit", joined.person.nick)
        else:
            self._report(joined.place, joined.person.nick, f"has joined {joined.place}")

    @hears(Left)
    def leave(self, left: Left) -> None:
        self._report(left.place, left.person.nick, f"has left {left.place}{_because(left.reason)}")

    @hears(Kicked)
    def kick(self, kicked: Kicked) -> None:
        self._report(kicked.place, kicked.nick, f"was kicked from {kicked.place} by {kicked.person.nick}{_because(kicked.reason)}")

    @hears(Renamed)
    def rename(self, renamed: Renamed) -> None:
        for place in renamed.places:
            self._report(place, renamed.person.nick, f"is now {renamed.nick}")

    @hears(Quit)
    def quit(self, gone: Quit) -> None:
        split = _SPLIT.fullmatch(gone.reason) is not None
        if split:
            self._away[(gone.person.front, folded(gone.person.nick))] = True
            if len(self._away) > CHANNEL_MEMBERS.default:
                self._away.popitem(last=False)
        for place in gone.places:
            if split:
                self._gather(place, f"are gone in a netsplit ({gone.reason})", gone.person.nick)
            else:
                self._report(place, gone.person.nick, f"has quit{_because(gone.reason)}")

    def _report(self, place: Place, nick: str, what: str) -> None:
        if self.joins:
            for other in self._others.get(place.key, ()):
                self._say(other, line(dim(f"-- {nick} {what}")))

    def _gather(self, place: Place, what: str, nick: str) -> None:
        """
        Report many at once, as a netsplit takes them all away in a moment.
        """
        key = (place.key, what)
        if self.joins and place.key in self._others:
            if key not in self._gathered:
                self._gathered[key] = []
                self._timers.add(self.robot.reactor.callLater(_SPLIT_SECONDS, self._reportAll, place, what))
            self._gathered[key].append(nick)

    def _reportAll(self, place: Place, what: str) -> None:
        self._timers = {timer for timer in self._timers if timer.active()}
        nicks = self._gathered.pop((place.key, what))
        shown = ", ".join(nicks[: _SPLIT_NAMED])
        more = len(nicks) - _SPLIT_NAMED
        self._report(place, f"{shown} and {more} others" if more > 0 else shown, what)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
