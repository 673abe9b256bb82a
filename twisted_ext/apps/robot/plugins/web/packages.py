"""
Asks a package index for the newest release of a package, and announces new ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_ext.apps.robot.interfaces import IFetcher, IScheduler, IStorage, RetrievalError
from twisted_ext.apps.robot.limits import FOLLOWED_HERE, FOLLOWED_PACKAGES
from twisted_ext.apps.robot.people import Place
from twisted_ext.apps.robot.plugin import Call, CommandError, Effect, RobotPlugin, command, option
from twisted_ext.apps.robot.providers import document, newestIn, textAt, urlKind, urlWith
from twisted_ext.apps.robot.text import Line, Said, bold, dim, line
from twisted_ext.server.config import types

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Packages"]

_log: Final = Logger(__name__)

_VERSION: Final = "1"

#: Front, target, and whether it is private.
_Where = tuple[str, str, bool]


class Packages(RobotPlugin):
    url: str = option(urlKind("package"), "https://pypi.org/pypi/{package}/json", "The URL of what is known about a {package}")
    release: str = option(types.TEXT, "info.version", 'The path of the newest release in the document; "" if the URL is that of a feed')
    page: str = option(urlKind("package"), "https://pypi.org/project/{package}/", "The address of a package for people")

    def init(self, robot: Robot) -> Deferred[None]:
        self.robot = robot
        # By package: the last known release, and where the next one is announced.
        self._followed: dict[str, tuple[str, list[_Where]]] = {}
        return Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        try:
            stored = await IStorage(self.robot).retrieve("packages", _VERSION)
        except RetrievalError:
            stored = {}
        for package, (release, places) in cast("dict[str, tuple[str, list[_Where]]]", stored).items():
            self._followed[package] = release, [(front, target, private) for front, target, private in places]
        scheduler = IScheduler(self.robot)
        scheduler.schedule(scheduler.HOURLY, self._poll)

    @command(Effect.REACHES)
    async def package(self, call: Call, package: str) -> Said:
        """
        Show the newest release of a package.
        """
        return self._shown(package, await self._newest(package))

    @command(Effect.WRITES)
    async def follow(self, call: Call, package: str) -> Said:
        """
        Announce new releases of a package here.
        """
        if len(package) > 100:
            raise CommandError("the name of a package has at most 100 characters")
        newest = await self._newest(package)
        here = _whereOf(call.place)
        known, places = self._followed.get(package, (newest, []))
        if here not in places:
            if sum(here in each for _, each in self._followed.values()) >= FOLLOWED_HERE.default:
                raise CommandError(f"{FOLLOWED_HERE.default} packages are followed here, which are the most")
            if not places and len(self._followed) >= FOLLOWED_PACKAGES.default:
                raise CommandError(f"{FOLLOWED_PACKAGES.default} packages are followed, which are the most")
            self._followed[package] = known, [*places, here]
            await self._store()
        return line("new releases of ", bold(package), f" are announced here; the newest is {newest}")

    @command(Effect.WRITES)
    async def unfollow(self, call: Call, package: str) -> Said:
        """
        Announce the releases of a package here no longer.
        """
        here = _whereOf(call.place)
        release, places = self._followed.get(package, ("", []))
        if here not in places:
            raise CommandError(f"{package} is not followed here")
        places.remove(here)
        if not places:
            del self._followed[package]
        await self._store()
        return line(bold(package), " is not followed here any more")

    @command()
    async def followed(self, call: Call) -> Said:
        """
        List the packages whose new releases are announced here.
        """
        here = _whereOf(call.place)
        return " ".join(sorted([package for package, (_, places) in self._followed.items() if here in places])) or "none"

    async def _newest(self, package: str) -> str:
        url = urlWith(self.url, package=package)
        if self.release:
            return textAt(await document(self.robot, url), self.release)
        return newestIn(await IFetcher(self.robot).fetch(url))

    async def _poll(self) -> None:
        for package in list(self._followed):
            try:
                newest = await self._newest(package)
            except CommandError as error:
                _log.warn("the newest release of {package} is not known: {error}", package=package, error=error)
                continue
            release, places = self._followed.get(package, (newest, []))
            if newest != release:
                self._followed[package] = newest, places
                for front, target, private in places:
                    self.robot.say(Place(front, target, private), self._shown(package, newest))
                await self._store()

    def _shown(self, package: str, release: str) -> Line:
        return line(bold(package), f" {release} ", dim(urlWith(self.page, package=package)))

    def _store(self) -> Deferred[None]:
        return IStorage(self.robot).store("packages", _VERSION, {package: list(each) for package, each in self._followed.items()})


def _whereOf(place: Place) -> _Where:
    return place.front, place.target, place.private
