"""
The robot's components and plugins. A component is requested with C{IStorage(robot)}; third parties register adapters for
L{Robot<twisted_ext.apps.robot.robot.Robot>} with C{twisted.python.components.registerAdapter}, and the robot keeps each for its life.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias, Union

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.web.resource import Resource

    from twisted_ext.apps.robot.people import Person
    from twisted_ext.apps.robot.robot import Robot
    from twisted_ext.apps.robot.text import Line

__all__ = [
    "JSON",
    "IDiscriminating",
    "IFetcher",
    "IFront",
    "IJob",
    "IPages",
    "IRobotPlugin",
    "IScheduler",
    "IStorage",
    "Migrate",
    "RetrievalError",
    "Urgency",
]

JSON: TypeAlias = Union[None, bool, int, float, str, "Sequence[JSON]", "dict[str, JSON]"]

#: Converts a value that another version of a plugin has stored: called with that version and the value.
Migrate: TypeAlias = "Callable[[str, JSON], JSON]"


class RetrievalError(Exception):
    """
    There is no value, or it was stored by another version and there is no function to migrate it.
    """


class IStorage(Interface):
    """
    Values that survive the robot's process.
    """

    def store(key: str, version: str, value: JSON) -> Deferred[None]:
        """
        Store any JSON value, in place of the one with this key.

        @param version: of the value's shape: another version of the plugin can tell what it finds.

        @return: fires when the value would survive the end of the process. Values are stored in the order of the calls.
        """

    def retrieve(key: str, version: str, migrate: Migrate | None = None) -> Deferred[JSON]:
        """
        Retrieve the value stored with a key.

        @param migrate: called if the value has another version. Its result is stored with this version.

        @return: fails with L{RetrievalError}.
        """


class IJob(Interface):
    """
    A scheduled function.
    """

    def cancel() -> None:
        """
        Run it no more. A run that waits for a Deferred is cancelled too.
        """


class IScheduler(Interface):
    """
    Runs functions at regular intervals.
    """

    MINUTELY: int = Attribute("60 seconds")
    HOURLY: int = Attribute("3,600 seconds")
    DAILY: int = Attribute("86,400 seconds")
    WEEKLY: int = Attribute("604,800 seconds")

    def schedule(period: float | str, function: Callable[..., object], *arguments: object, **keywords: object) -> IJob:
        """
        Call a function at regular intervals. An exception is logged, and the next run is made nevertheless. No run begins while the
        Deferred of the last one has not fired; runs that were missed are made up for by one. For a function without arguments whose runs
        are an hour or more apart, so are those that were missed while the robot was not running. The jobs of a plugin end with it.

        @param period: seconds between two runs, or five fields as in crontab(5), in UTC: C{"*/15 8-18 * * 1-5"}. Each run is some seconds
            late, at random, at most by a tenth of the time waited: not all robots ask a server at the same moment.
        """


class IDiscriminating(Interface):
    """
    Whom the robot ignores. The plugin C{ignore} adds this component.
    """

    def isIgnored(person: Person) -> bool:
        """
        Return whether the robot takes no commands from this person.
        """

    def ignore(mask: str, seconds: float | None = None) -> Deferred[None]:
        """
        Ignore persons.

        @param mask: see L{Mask<twisted_ext.apps.robot.people.Mask>}.
        @param seconds: for how long; L{None} for always.

        @return: fires when it is stored.
        @raise ValueError: the mask is not valid.
        """

    def unignore(mask: str) -> Deferred[bool]:
        """
        Ignore them no longer.

        @return: whether the mask was in the list.
        """

    def masks() -> list[str]:
        """
        Return the masks that apply now.
        """


class IPages(Interface):
    """
    The robot's web pages. The service adds this component if it has an address for them.
    """

    url: str = Attribute("The address of the first page as others see it, with a slash at its end.")

    def publish(title: str, document: str) -> str:
        """
        Publish a document for some days and return its URL.

        @param document: HTML without scripts; nothing is loaded from elsewhere.
        """

    def add(path: str, title: str, resource: Resource) -> None:
        """
        Add a resource below the first page, which links to it.
        """

    def remove(path: str) -> None:
        """
        Remove what L{add} added; nothing if there is no such path.
        """


class IFetcher(Interface):
    """
    Fetches documents over HTTP, from the hosts that C{[http]} lists and no others.
    """

    def fetch(url: str) -> Deferred[bytes]:
        """
        Fetch a document. Redirects are followed to the same hosts only; the document's size and the time are limited.

        @return: fails with L{CommandError<twisted_ext.apps.robot.commands.CommandError>}; its text has no part of the URL but the host.
        """


class Urgency(IntEnum):
    """
    The order in which lines are sent if not all can be sent at once.

    @cvar REPLY: the reply to a command, for which a person waits.
    @cvar NOTICE: what the robot says without being asked.
    @cvar RELAY: what is repeated from other channels.
    """

    REPLY = 0
    NOTICE = 1
    RELAY = 2


class IFront(Interface):
    """
    A place where the robot is spoken to. It passes events to L{Robot.receive<twisted_ext.apps.robot.robot.Robot.receive>}.
    """

    name: str = Attribute("Unique: the network's name, C{'console'} or C{'webhook'}.")

    nick: str = Attribute("The robot's current name there.")

    most: int = Attribute("Lines of a reply that are shown at once.")

    def send(target: str, lines: Sequence[Line], urgency: Urgency = Urgency.NOTICE) -> None:
        """
        Say something in a channel or to a person. Lines that cannot be sent are dropped, and the log says so.

        @param urgency: which lines to send first if not all can be sent at once.
        """

    def members(channel: str) -> Sequence[str]:
        """
        Return the nicks in a channel, without the robot's; empty if the robot is not in it.
        """

    def isReady(target: str) -> bool:
        """
        Return whether lines to a channel or person would be sent now: there is a connection, and the robot is in the channel.
        """


class IRobotPlugin(Interface):
    """
    A plugin of the robot, found by Twisted's plugin system; implementers provide L{twisted.plugin.IPlugin} too.

    L{RobotPlugin<twisted_ext.apps.robot.plugin.RobotPlugin>} implements it for subclasses, and
    L{ModulePlugin<twisted_ext.apps.robot.plugin.ModulePlugin>} for a module that is imported when it is used.
    """

    name: str = Attribute("The plugin's name: the key of its table in the settings.")

    summary: str = Attribute("One line for C{help}.")

    def init(robot: Robot) -> Deferred[None] | None:
        """
        Start: retrieve what was stored, schedule jobs, add components.
        """

    def fini(robot: Robot) -> Deferred[None] | None:
        """
        Stop: store what has to survive. The robot removes the jobs, hooks, commands, components and pages of the plugin.
        """
