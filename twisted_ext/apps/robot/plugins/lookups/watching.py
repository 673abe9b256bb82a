"""
Changes of names and zones, and what expires.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from itertools import groupby, islice
from json import dumps
from operator import attrgetter
from time import time
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTCP

from twisted_ext.answers import Answer
from twisted_ext.apps.robot.interfaces import JSON, IScheduler, IStorage, RetrievalError
from twisted_ext.apps.robot.limits import WATCH_FAILURES, WATCH_OCTETS, WATCHES, WATCHES_OF_PERSON, WATCHES_OF_PLACE
from twisted_ext.apps.robot.people import Place, folded
from twisted_ext.apps.robot.plugin import Call, CommandError, Effect, command, option
from twisted_ext.apps.robot.plugins.lookups.authorities import (
    AskingPlugin,
    DomainName,
    RecordType,
    recordsIn,
    requireName,
    settled,
    shown,
)
from twisted_ext.apps.robot.text import Line, Said, Span, bad, dim, good, line, name, warning
from twisted_ext.dnssec.signatures import Signature
from twisted_ext.dnssec.times import timeToText
from twisted_ext.errors import DNSFault
from twisted_ext.limits import Limit
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.server.config import types
from twisted_ext.watch.states import stateOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameFromText, nameToText, parentOf
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import AAAA, DNSKEY, DS, NS, RRSIG, SOA, TLSA, A, typeName
from twisted_ext.zone.store.serials import isNewer, serialIn

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Watching"]

#: Watched names and zones that are looked up at a time.
_WATCHES_AT_ONCE: Final = 8

_KEY: Final = "watching"
_VERSION: Final = "1"

#: Seconds between two looks at a zone, each of which takes several queries.
_ZONES: Final = 300

#: Watched names and zones that one line names which cannot be looked up.
_MOST_NAMED: Final = 3

#: Servers that are queried where one answer is enough.
_MOST_ASKED: Final = 3

#: Changes of a zone that are announced at a time.
_MOST_CHANGES: Final = 8

_DAY: Final = 86400

#: What is compared: lists of texts. A change of one is announced as what has come and what has gone.
_State = dict[str, list[str]]

#: How changes of a zone's state read.
_CHANGES: Final = (
    ("down", "{} does not reply", "{} replies again"),
    ("behind", "{} has an older serial", "{} has the current serial"),
    ("servers", "NS record {} was added", "NS record {} was removed"),
    ("delegation", "{} was added to the delegation", "{} was removed from the delegation"),
    ("ds", "DS record {} was added", "DS record {} was removed"),
    ("signatures", "signatures {}", ""),
)


@dataclass(slots=True, eq=False)
class _Watch:
    """
    @ivar type: the mnemonic of the record type; C{""} for a zone.
    @ivar by: the person who has asked for it.
    @ivar state: what was last found.
    @ivar failed: how many times in a row it could not be looked up since, and once that is announced no more.
    """

    name: str
    type: str
    place: Place
    by: str
    state: _State = field(default_factory=dict)
    failed: int = 0

    @property
    def key(self) -> tuple[str, str, tuple[str, str]]:
        return self.name, self.type, self.place.key

    @property
    def subject(self) -> Line:
        return line(name(shown(self.name)), f" {self.type}" if self.type else dim(" (zone)"))


class Watching(AskingPlugin):
    """
    Changes of names and zones, and what expires.
    """

    days: int = option(types.Number(Limit(default=7, least=1, most=365)), 7, "Days before signatures expire at which that is announced")

    def init(self, robot: Robot) -> Deferred[None] | None:
        super().init(robot)
        self._watches: list[_Watch] = []
        scheduler = IScheduler(robot)
        scheduler.schedule(scheduler.MINUTELY, self._poll, False)
        scheduler.schedule(_ZONES, self._poll, True)
        return Deferred.fromCoroutine(self._restore())

    async def _restore(self) -> None:
        try:
            stored = await IStorage(self.robot).retrieve(_KEY, _VERSION)
        except RetrievalError:
            return
        restored = cast("Callable[..., _Watch]", _Watch)
        for each in cast("list[dict[str, Mapping[str, JSON]]]", stored):
            place = cast("Callable[..., Place]", Place)(**each["place"])
            self._watches.append(restored(**{**each, "place": place}))

    def _keep(self) -> Deferred[None]:
        return IStorage(self.robot).store(_KEY, _VERSION, [asdict(each) for each in self._watches])

    # -- commands

    @command(Effect.WRITES, seconds=40.0)
    async def watch(self, call: Call, name: str, type: str = "A") -> Said:
        """
        Announce here when the records of a name change: watch NAME TYPE. For a zone, watch zone NAME: its serial number, delegation, DS
        records, servers that do not reply or are behind, and signatures that expire.
        """
        watch = _wanted(call, name, type)
        self._admit(watch)
        watch.state = await self._look(watch)
        # Others may have been added meanwhile.
        self._admit(watch)
        self._watches.append(watch)
        await self._keep()
        return line("watching ", *watch.subject, ": ", watch.state["now"][0])

    def _admit(self, watch: _Watch) -> None:
        if any(each.key == watch.key for each in self._watches):
            raise CommandError(f"{watch.subject} is watched here already")
        own = sum(each.by == watch.by for each in self._watches)
        here = sum(each.place.key == watch.place.key for each in self._watches)
        total = len(self._watches)
        for count, most, whose in ((own, WATCHES_OF_PERSON, " of yours"), (here, WATCHES_OF_PLACE, " here"), (total, WATCHES, "")):
            if count >= most.default:
                raise CommandError(f"there are {count} watches{whose} already; unwatch one of them first")

    @command(Effect.WRITES)
    async def unwatch(self, call: Call, name: str, type: str = "A") -> Said:
        """
        End a watch in this place: unwatch NAME TYPE, or unwatch zone NAME.
        """
        watch = _wanted(call, name, type)
        left = [each for each in self._watches if each.key != watch.key]
        if len(left) == len(self._watches):
            raise CommandError(f"{watch.subject} is not watched here; watches lists what is")
        self._watches = left
        await self._keep()
        return line("not watching ", *watch.subject, " any more")

    @command()
    async def watches(self, call: Call) -> Said:
        """
        List what is watched in this place.
        """
        here = [each for each in self._watches if each.place.key == call.place.key]
        failing = bad(" (cannot be looked up now)")
        lines = [line(*each.subject, ": ", each.state["now"][0], failing if each.failed else "") for each in here]
        return lines or "nothing is watched here"

    # -- looking

    async def _poll(self, zones: bool) -> None:
        watches = [each for each in self._watches if zones is not bool(each.type)]
        limit = DeferredSemaphore(_WATCHES_AT_ONCE)
        looks = settled(limit.run(lambda watch: Deferred.fromCoroutine(self._look(watch)), each) for each in watches)
        found = dict(zip(watches, await looks, strict=True))
        if self._compare({watch: after for watch, after in found.items() if watch in self._watches}):
            await self._keep()

    def _compare(self, found: dict[_Watch, _State | Exception]) -> bool:
        """
        Announce what cannot be looked up for some time now, what can be again, and what has changed.

        @return: whether there is anything to store.
        """
        lasting = int(WATCH_FAILURES.default)
        stored = [(watch.state, watch.failed) for watch in found]
        told = [watch for watch in found if watch.failed >= lasting]
        # The resolver or the network is down, and these places know it.
        down = {watch.place.key for watch in told} if len(told) * 2 > len(found) else set()
        lost = [watch for watch, after in found.items() if isinstance(after, Exception) and watch.failed == lasting - 1]
        for some in _byPlace([watch for watch in lost if watch.place.key not in down]):
            self._announce(some, f"cannot be looked up: {shown(str(found[some[0]]))}")
        for some in _byPlace([watch for watch in told if not isinstance(found[watch], Exception)]):
            self._announce(some, "can be looked up again")
        for watch, after in found.items():
            if isinstance(after, Exception):
                watch.failed = min(watch.failed + 1, lasting)
                continue
            for change in _changes(watch.state, after)[:_MOST_CHANGES]:
                self._announce([watch], shown(change))
            watch.state, watch.failed = after, 0
        return stored != [(watch.state, watch.failed) for watch in found]

    def _announce(self, watches: Sequence[_Watch], said: str) -> None:
        """
        Say something of watches in one place.
        """
        subjects = [part for watch in watches[:_MOST_NAMED] for part in (", ", *watch.subject)][1:]
        more = f" and {len(watches) - _MOST_NAMED} more" if len(watches) > _MOST_NAMED else ""
        self.robot.say(watches[0].place, line(*subjects, f"{more}: {said}"))

    async def _look(self, watch: _Watch) -> _State:
        state = await (self._lookAtName(watch) if watch.type else self._lookAtZone(watch))
        if len(dumps(state)) > WATCH_OCTETS.default:
            raise CommandError(f"{watch.subject} has too many servers or DS records to be watched")
        return state

    async def _lookAtName(self, watch: _Watch) -> _State:
        question = Question(nameFromText(watch.name), RecordType.fromText(watch.type))
        state = stateOf(question, await self.look(question))
        # Records may be long and many; what they are compared by is short.
        digest = blake2b(repr((state.outcome, state.rdatas)).encode(), digest_size=16).hexdigest()
        return {"digest": [digest], "now": [shown(str(state))]}

    async def _lookAtZone(self, watch: _Watch) -> _State:
        before = watch.state
        wire = nameFromText(watch.name)
        zone, hosts = await self.zoneOf(wire)
        if zone != wire:
            question = Question(wire, SOA)
            requireName(question, await self.look(question))
            raise CommandError(f"{watch.name} is not a zone; it is in the zone {shown(zone)}")
        now = self._now()
        servers = await self.addressesOf(hosts)
        answers = await self.askEach(servers, Question(wire, SOA), dnssec=True)
        found = {
            address: serialIn(recordsIn(answer, SOA)[0])
            for address, answer in zip(servers, answers, strict=True)
            if isinstance(answer, Answer) and answer.authoritative and recordsIn(answer, SOA)
        }
        if not found:
            raise CommandError(f"none of its {len(servers)} servers gives an authoritative answer")
        numbers = list(found.values())
        # Three serial numbers can each be newer than the next one, in a circle.
        newest = next((each for each in numbers if not any(isNewer(other, each) for other in numbers)), numbers[0])
        # A server is behind that has not taken over within one look what was the newest serial then.
        passed = [newest, *map(int, before.get("serial", ()))]
        silent = [label for address, label in servers.items() if address not in found]
        answers += await self.askEach(islice(found, _MOST_ASKED), Question(wire, DNSKEY), dnssec=True)
        expire = [end for answer in answers for end in _expirations(answer, now)]
        signatures = _signatures(expire, now, self.days)
        [ds] = await self.lookAll([Question(wire, DS)], dnssec=True)
        return {
            "now": [f"serial {newest}, {len(hosts)} servers, signatures {signatures}"],
            "serial": [str(newest)],
            "behind": [servers[each] for each in found if len(passed) == 2 and all(isNewer(other, found[each]) for other in passed)],
            "silent": silent,
            # One lost packet is no news.
            "down": [each for each in silent if each in before.get("silent", silent)],
            "signatures": [signatures],
            "servers": list(map(shown, hosts)),
            "delegation": await self._delegation(wire) or before.get("delegation", []),
            "ds": [rdataToText(DS, each) for each in recordsIn(ds, DS)] if isinstance(ds, Answer) else before.get("ds", []),
        }

    async def _delegation(self, zone: bytes) -> list[str]:
        """
        Return the servers that the zone above names; nothing if it does not reply.
        """
        try:
            _, hosts = await self.zoneOf(parentOf(zone))
            answers = await self.askEach(islice(await self.addressesOf(hosts), _MOST_ASKED), Question(zone, NS))
        except (DNSFault, CommandError):
            return []
        sets = [each for answer in answers if isinstance(answer, Answer) for each in (*answer.answer, *answer.authority)]
        return sorted({shown(host.lower()) for each in sets if each.rrType == NS and each.name.lower() == zone for host in each.rdatas})

    def _now(self) -> int:
        """
        Return the time by which the resolver validates, in seconds since 1970.
        """
        return int(next((source.today for source in behind(self.robot.resolver.source, ValidatingSource)), time)())

    # -- expiry

    @command(Effect.REACHES, seconds=40.0)
    async def expiry(self, call: Call, name: DomainName, port: int = 443) -> Said:
        """
        Show when the signatures of a name and its zone expire, and the certificate at a port, by default 443, for which there are TLSA
        records.
        """
        zone, _ = await self.zoneOf(name)
        now = self._now()
        questions = [Question(owner, rrType) for owner, rrType in ((zone, SOA), (zone, DNSKEY), (name, A), (name, AAAA))]
        expire: list[tuple[int, str]] = []
        said: list[Line] = []
        for question, answer in zip(questions, await self.lookAll(questions, dnssec=True), strict=True):
            if isinstance(answer, Exception):
                said.append(line(bad(shown(answer))))
                continue
            requireName(question, answer)
            expire += [(end, f"{shown(question.name)} {typeName(question.rrType)}") for end in _expirations(answer, now)]
        if expire:
            end, first = min(expire)
            said.insert(0, line("signatures expire from ", *_until(end, now, self.days), f" ({first})"))
        elif not said:
            said = [line(warning(f"{shown(zone)} has no signatures"))]
        return said + await self._certificates(name, port, now)

    async def _certificates(self, host: bytes, port: int, now: int) -> list[Line]:
        from twisted_ext.apps.robot.plugins.lookups.certificates import certificatesOf, isMatched

        if not 0 < port < 65536:
            raise CommandError(f"{port} is not a port; write a number from 1 to 65535")
        question = Question(nameFromText(f"_{port}._tcp", host), TLSA)
        try:
            answer = await self.look(question)
            records = recordsIn(answer, TLSA)
            if not records:
                return [line(dim(f"no TLSA records at {shown(question.name)}"))]
            addresses = list(await self.addressesOf([host]))
        except (DNSFault, CommandError) as error:
            return [line(bad(shown(error)))]
        said = []
        if not await self.isSecure(question, answer):
            said.append(line(warning("the TLSA records do not count, because they are not secure (RFC 7671)")))
        for address in addresses[:2]:
            try:
                chain = await certificatesOf(cast(IReactorTCP, self.robot.reactor), address, port, nameToText(host, final=False))
            except Exception as error:
                said.append(line(f"{address}: ", bad(f"no TLS connection: {shown(error) or type(error).__name__}")))
                continue
            matched = good("a TLSA record matches") if isMatched(records, chain) else bad("no TLSA record matches")
            end = int(chain[0].not_valid_after_utc.timestamp())
            said.append(line(f"{address}: the certificate expires ", *_until(end, now, self.days), "; ", matched))
        return said


def _wanted(call: Call, name: str, type: str) -> _Watch:
    """
    Return the watch that the arguments of a command mean.
    """
    isZone = name.lower() == "zone"
    wire = nameFromText(type if isZone else name).lower()
    by = f"{call.place.front}/{call.person.account or folded(call.person.nick)}"
    return _Watch(nameToText(wire, final=wire == ROOT), "" if isZone else typeName(RecordType.fromText(type)), call.place, by)


def _byPlace(watches: Sequence[_Watch]) -> list[list[_Watch]]:
    key = attrgetter("place.key")
    return [list(some) for _, some in groupby(sorted(watches, key=key), key)]


def _expirations(answer: Answer | Exception, now: int) -> list[int]:
    """
    Return when the signatures in an answer expire, in seconds since 1970.
    """
    half = 1 << 31
    ends = [Signature.fromRdata(rdata).expiration for rdata in recordsIn(answer, RRSIG)]
    return [now + (end - now + half) % (1 << 32) - half for end in ends]


def _signatures(expire: list[int], now: int, days: int) -> str:
    if not expire:
        return "are missing"
    end = min(expire)
    return "are valid" if end - now >= days * _DAY else f"{'expire' if end > now else 'have expired'} at {timeToText(end)}"


def _until(end: int, now: int, days: int) -> list[str | Span]:
    left = (end - now) / _DAY
    said = f"in {left:.0f} days" if left >= 2 else f"in {left * 24:.0f} hours" if left >= 0 else f"{-left:.0f} days ago"
    return [timeToText(end), ", ", (bad if left < 0 else warning if left < days else good)(said)]


def _changes(before: _State, after: _State) -> list[str]:
    """
    Return what to announce of two states of a name or of a zone.
    """
    if "digest" in after:
        return [f"{after['now'][0]} (was {before['now'][0]})"] if before["digest"] != after["digest"] else []
    said = []
    if after["serial"] != before["serial"]:
        said.append(f"serial {' '.join(after['serial'])} (was {' '.join(before['serial'])})")
    for key, came, went in _CHANGES:
        said += [came.format(each) for each in after[key] if each not in before[key]]
        # A server that is silent has neither caught up nor come back.
        said += [went.format(each) for each in before[key] if went and each not in after[key] and each not in after["silent"]]
    return said
