"""
The robot: passes events to plugins, commands from persons to the functions that answer them, and keeps values of plugins as JSON in a
database.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import CancelledError, Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.error import DNSLookupError
from twisted.logger import Logger
from twisted.python.components import Componentized, registerAdapter
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.apps.robot.commands import OWN_FRONTS, Access, Call, CommandError
from twisted_ext.apps.robot.database import prepared
from twisted_ext.apps.robot.events import Event, Message, Spoken
from twisted_ext.apps.robot.interfaces import (
    JSON,
    IDiscriminating,
    IFetcher,
    IFront,
    IPages,
    IRobotPlugin,
    IScheduler,
    IStorage,
    Migrate,
    RetrievalError,
    Urgency,
)
from twisted_ext.apps.robot.limits import (
    CALL_SECONDS,
    CALLS_AT_ONCE,
    CALLS_OF_PERSON,
    EXPANSIONS,
    MORE_KEPT,
    PLACE_CALLS,
    PLACES_KEPT,
    STORED_VALUES,
)
from twisted_ext.apps.robot.loading import Plugins, foundPlugins
from twisted_ext.apps.robot.people import Place, folded
from twisted_ext.apps.robot.providers import Fetcher
from twisted_ext.apps.robot.scheduling import Scheduler
from twisted_ext.apps.robot.stepping import CURRENT, runPlugin, within
from twisted_ext.apps.robot.text import Line, Reply, Said, bad, clean, dim, line, linesOf
from twisted_ext.errors import CallerFault, DNSFault, StorageFault
from twisted_ext.transport.faultlog import FaultLog

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.apps.robot.database import Database
    from twisted_ext.apps.robot.program.settings import RobotSettings
    from twisted_ext.compat.names import NamesResolver

__all__ = ["Robot", "Storage"]

_log: Final = Logger(__name__)

#: Octets of a stored value as JSON. It is written as a whole each time.
_STORED_OCTETS: Final = 1 << 20

#: Characters of the key of a stored value.
_STORED_KEY: Final = 200

_TABLES: Final = ("CREATE TABLE stored (key TEXT PRIMARY KEY, version TEXT NOT NULL, value TEXT NOT NULL)",)


@implementer(IStorage)
class Storage:
    def __init__(self, robot: Robot) -> None:
        self._database = robot.database

    def store(self, key: str, version: str, value: JSON) -> Deferred[None]:
        return maybeDeferred(self._store, key, version, value)

    def _store(self, key: str, version: str, value: JSON, old: str | None = None) -> Deferred[None]:
        # Encoded now: the caller may change it afterwards.
        return self._database.write(_written, key, version, _encoded(key, value), old)

    def retrieve(self, key: str, version: str, migrate: Migrate | None = None) -> Deferred[JSON]:
        return Deferred.fromCoroutine(self._retrieve(key, version, migrate))

    async def _retrieve(self, key: str, version: str, migrate: Migrate | None) -> JSON:
        # In the thread that writes: a plugin that is loaded again finds what it has just stored.
        found = await self._database.write(_read, key)
        if found is None:
            raise RetrievalError(f"nothing is stored under {key!r}")
        old, text = found
        try:
            value: JSON = json.loads(text)
        except ValueError as error:
            raise StorageFault(f"what is stored under {key!r} is damaged: {error}") from error
        if old == version:
            return value
        if migrate is None:
            raise RetrievalError(f"the value stored under {key!r} has version {old!r}, not {version!r}")
        changed = cast(JSON, await runPlugin(CURRENT.get(), migrate, old, value))
        await self._store(key, version, changed, old)
        return changed


def _encoded(key: str, value: JSON) -> str:
    if not 0 < len(key) <= _STORED_KEY:
        raise CallerFault(f"the key of a stored value takes 1 to {_STORED_KEY} characters, not {len(key)}")
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise CallerFault(f"the value for {key!r} cannot be written as JSON: {error}") from error
    if len(text) > _STORED_OCTETS:
        raise CallerFault(f"the value for {key!r} takes {len(text)} octets; {_STORED_OCTETS} may be stored under one key")
    return text


def _written(connection: sqlite3.Connection, key: str, version: str, text: str, old: str | None) -> None:
    """
    @param old: replace a value only if it still has this version.
    """
    prepared(connection, "storage", _TABLES)
    if old is not None:
        connection.execute("UPDATE stored SET version = ?, value = ? WHERE key = ? AND version = ?", (version, text, key, old))
        return
    connection.execute("INSERT OR REPLACE INTO stored VALUES (?, ?, ?)", (key, version, text))
    if connection.execute("SELECT count(*) FROM stored").fetchone()[0] > STORED_VALUES.default:
        raise CallerFault(f"{STORED_VALUES.default} values are stored already, so there is no place for {key!r}")


def _read(connection: sqlite3.Connection, key: str) -> tuple[str, str] | None:
    prepared(connection, "storage", _TABLES)
    return cast("tuple[str, str] | None", connection.execute("SELECT version, value FROM stored WHERE key = ?", (key,)).fetchone())


class Robot(Componentized):
    """
    A robot with components: C{IStorage(robot)} returns the storage, C{IScheduler(robot)} the scheduler, and so on.

    @ivar settings: see L{RobotSettings}; replaced when the file is read again.
    @ivar fronts: by name.
    @ivar plugins: the loaded plugins.
    @ivar database: plugins with more than single values have their own tables in it.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        settings: RobotSettings,
        resolver: NamesResolver,
        database: Database,
        found: Callable[[], Iterable[IRobotPlugin]] = foundPlugins,
    ) -> None:
        """
        @param resolver: for all look-ups of plugins.
        @param database: an open database.
        @param found: returns all plugins that there are.
        """
        cast("Callable[[], None]", super().__init__)()
        self.reactor = reactor
        self.settings = settings
        self.resolver = resolver
        self.database = database
        self.fronts: dict[str, IFront] = {}
        self.plugins = Plugins(self, found)
        self._expanders: list[Callable[[Message, str], str | None]] = []
        self._running: set[Deferred[object]] = set()
        # An event or a command that fails may be repeated by anyone.
        self._faults = FaultLog()
        self._handling: set[Deferred[object]] = set()
        self._callers: Counter[tuple[str, str]] = Counter()
        self._taken: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()
        self._more: OrderedDict[tuple[str, str, str], list[Line]] = OrderedDict()

    @property
    def access(self) -> Access:
        """
        Who may call which command.
        """
        return self.settings.access

    # -- components

    def add(self, interface: type, component: object) -> None:
        """
        Add a component, in place of one for the same interface. That of a plugin is removed with it.
        """
        cast("Callable[[object, object], None]", self.setComponent)(interface, component)
        if plugin := CURRENT.get():
            self.plugins.atEnd(plugin, lambda: self.drop(interface) if interface(self, None) is component else None)

    def drop(self, interface: type) -> None:
        """
        Remove a component.
        """
        cast("Callable[[object], None]", self.unsetComponent)(interface)

    # -- fronts

    def join(self, front: IFront) -> None:
        self.fronts[front.name] = front

    def say(self, place: Place, said: Said, urgency: Urgency = Urgency.NOTICE) -> None:
        """
        Say something: without a person who has asked, unless C{urgency} says otherwise.
        """
        lines = linesOf(said)
        front = self.fronts.get(place.front)
        if front is None:
            _log.warn("there is no front {front}; a line for {target} is dropped", front=place.front, target=place.target)
            return
        if lines:
            front.send(place.target, lines, urgency)
            for each in lines:
                self.emit(Spoken(place, str(each)))

    def isReady(self, place: Place) -> bool:
        """
        Return whether what is said in a place would be sent now. If not, it waits for some minutes, and is dropped then.
        """
        front = self.fronts.get(place.front)
        return front is not None and front.isReady(place.target)

    def placeFrom(self, text: str) -> Place:
        """
        Return the channel that a text names as C{network/#channel}.

        @raise CommandError: it is not one, or there is no such network.
        """
        front, slash, target = text.partition("/")
        if not slash or not target.startswith(("#", "&", "+", "!")):
            raise CommandError(f"{text!r} is not a channel; write NETWORK/#CHANNEL")
        if front not in self.fronts:
            raise CommandError(f"there is no network {front!r}; there are {', '.join(sorted(self.fronts)) or 'none'}")
        return Place(front, target)

    # -- events

    def receive(self, event: Event) -> Deferred[None]:
        """
        Take an event from a front. This never raises.

        @return: fires when everything is said in reply to a command, at once if the event is none; cancelling it cancels the command.
        """
        self.emit(event)
        if isinstance(event, Message) and not event.notice and not event.action:
            try:
                text = self.addressed(event)
                if text is not None:
                    return self.take(event, text)
            except Exception as error:
                self._faults.note("a message is handled", error, self.reactor.seconds())
        return succeed(None)

    def emit(self, event: Event) -> None:
        for plugin, function in self.plugins.hooks(type(event)):
            handled = within(self.reactor, CALL_SECONDS.default, runPlugin(plugin, function, event))
            self._handling.add(handled)
            handled.addErrback(self.failed, plugin).addBoth(self._handled, handled)

    def _handled(self, result: object, handled: Deferred[object]) -> None:
        self._handling.discard(handled)

    def failed(self, failure: Failure, plugin: str) -> None:
        """
        Log that an event or a job of a plugin has failed.
        """
        if isinstance(failure.value, StorageFault):
            _log.error("plugin {plugin}: {fault}", plugin=plugin, fault=str(failure.value))
        else:
            doing = f"the plugin {plugin} handles an event or runs a job"
            self._faults.note(doing, cast(BaseException, failure.value), self.reactor.seconds())

    # -- commands

    def expandBy(self, function: Callable[[Message, str], str | None]) -> None:
        """
        Add a function that is called with each text said to the robot that does not begin with the word of a command. If it knows what the
        text stands for, it returns that: a command, which the person has to have the right to call. That of a plugin is removed with it.
        """
        self._expanders.append(function)
        if plugin := CURRENT.get():
            self.plugins.atEnd(plugin, partial(self._expanders.remove, function))

    def addressed(self, message: Message) -> str | None:
        """
        Return what was said to the robot, without the prefix or its name; L{None} if it was said to others.
        """
        text = message.text.strip()
        prefix = self.settings.prefix
        if prefix and text.startswith(prefix):
            return text[len(prefix) :]
        front = self.fronts.get(message.place.front)
        nick = front.nick if front is not None else ""
        head, rest = text[: len(nick)], text[len(nick) :]
        if nick and folded(head) == folded(nick) and rest[:1] in (":", ","):
            return rest[1:]
        return text if message.place.private else None

    def take(self, message: Message, text: str) -> Deferred[None]:
        """
        Take a text as if the person had said it to the robot.

        @return: fires when everything is said in reply; cancelling it cancels the command.
        """
        return self._take(message, text) or succeed(None)

    def _expanded(self, message: Message, text: str) -> str:
        """
        Return the command that a text stands for; the text itself if it is one, or is not known.
        """
        for _ in range(int(EXPANSIONS.default)):
            word = text.strip().partition(" ")[0]
            if self.plugins.command(word.lower()) is not None:
                break
            found = next(filter(None, (expand(message, text.strip()) for expand in self._expanders)), None)
            if found is None:
                break
            text = found
        return text

    def _take(self, message: Message, text: str) -> Deferred[None] | None:
        person, place = message.person, message.place
        discriminating: IDiscriminating | None = IDiscriminating(self, None)
        if discriminating is not None and discriminating.isIgnored(person):
            return None
        word, _, rest = self._expanded(message, text).strip().partition(" ")
        command = self.plugins.command(word.lower())
        if command is None:
            named = message.place.private or not message.text.strip().startswith(self.settings.prefix or "\x00")
            # Other robots in the channel may have the same prefix.
            if named and word and self._mayCall(place):
                self.say(place, line(bad(f"there is no command {word[:40]!r}{self.plugins.hint(word[:40])}")), Urgency.REPLY)
            return None
        if not self._mayCall(place):
            return None
        refusal = self.access.refusal(command, person, place)
        caller = (person.front, folded(person.nick))
        if not refusal and (len(self._running) >= CALLS_AT_ONCE.default or self._callers[caller] >= CALLS_OF_PERSON.default):
            refusal = "too many commands are running; try again later"
        if refusal:
            self.say(place, line(bad(refusal)), Urgency.REPLY)
            return None
        _log.info("{person} in {place}: {command}", person=clean(str(person)), place=clean(str(place)), command=command.word)
        return self._run(Call(self, person, place, command), rest)

    def _mayCall(self, place: Place) -> bool:
        """
        Return whether a place has called fewer commands within a minute than it may, and count one.
        """
        if place.front in OWN_FRONTS:
            return True
        now = self.reactor.seconds()
        taken = self._taken.setdefault(place.key, deque(maxlen=int(PLACE_CALLS.default)))
        self._taken.move_to_end(place.key)
        if len(self._taken) > PLACES_KEPT.default:
            self._taken.popitem(last=False)
        if len(taken) == taken.maxlen and now - taken[0] < 60:
            return False
        taken.append(now)
        return True

    def _run(self, call: Call, rest: str) -> Deferred[None]:
        command = call.command
        caller = (call.person.front, folded(call.person.nick))
        self._callers[caller] += 1
        seconds = CALL_SECONDS.default if command.seconds is None else command.seconds
        ended = within(self.reactor, seconds, runPlugin(command.plugin, lambda: command.call(call, command.arguments(rest))))
        self._running.add(ended)

        def settle(result: object) -> object:
            self._running.discard(ended)
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]
            return result

        said = ended.addBoth(settle).addCallback(self._answer, call).addErrback(self._fault, call)
        return said.addErrback(self.failed, command.plugin)

    def _answer(self, said: object, call: Call) -> None:
        self.reply(call, cast("Said | Reply", said))

    def reply(self, call: Call, said: Said | Reply) -> None:
        """
        Say the first lines of a reply, and keep the others for C{more}.
        """
        page = said.page if isinstance(said, Reply) else ""
        lines = linesOf(said.said if isinstance(said, Reply) else said)
        front = self.fronts.get(call.place.front)
        most = front.most if front is not None else len(lines)
        key = (*call.place.key, folded(call.person.nick))
        self._more.pop(key, None)
        if len(lines) > most:
            rest = self._more[key] = lines[most:]
            while len(self._more) > MORE_KEPT.default:
                self._more.popitem(last=False)
            left = "1 more line" if len(rest) == 1 else f"{len(rest)} more lines"
            lines = [*lines[: most - 1], line(*lines[most - 1], dim(f" ({left}; say more)"))]
        pages: IPages | None = IPages(self, None)
        if page and pages is not None:
            lines.append(line(dim(pages.publish(call.command.word, page))))
        self.say(call.place, lines, Urgency.REPLY)

    def more(self, call: Call) -> list[Line]:
        """
        Return the lines that the person's last reply in this place has left.
        """
        return self._more.pop((*call.place.key, folded(call.person.nick)), [])

    def _fault(self, failure: Failure, call: Call) -> None:
        error = cast(BaseException, failure.value)
        if isinstance(error, StorageFault):
            _log.error("plugin {plugin}: {fault}", plugin=call.command.plugin, fault=str(error))
            said = "the robot's database does not work; its log has the reason"
        elif isinstance(error, (CommandError, DNSFault, DNSLookupError)):
            said = str(error)
        elif isinstance(error, CancelledError):
            said = f"{call.command.word} was cancelled"
        else:
            doing = f"the plugin {call.command.plugin} runs the command {call.command.word}"
            self._faults.note(doing, error, self.reactor.seconds())
            said = f"{call.command.word} failed: {type(error).__name__}; the robot's log has the reason"
        self.say(call.place, line(bad(said)), Urgency.REPLY)

    # -- the end

    def idle(self) -> Deferred[object]:
        """
        Return a Deferred that fires when the commands that run now have ended.
        """
        return DeferredList(list(self._running)).addCallback(lambda _: None)

    def stop(self) -> Deferred[None]:
        """
        Cancel all commands and unload all plugins.
        """
        for running in [*self._running, *self._handling]:
            running.cancel()
        return Deferred.fromCoroutine(self.plugins.unloadAll())


_register: Final[Callable[[object, object, object], None]] = registerAdapter
_register(Storage, Robot, IStorage)
_register(Scheduler, Robot, IScheduler)
_register(Fetcher, Robot, IFetcher)
