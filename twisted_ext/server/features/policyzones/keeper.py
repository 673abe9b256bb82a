"""
Keeps the table of policy zones current.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twisted_ext.resolver.policy.rules.table import RuleList
from twisted_ext.resolver.policy.zones.changed import rowsOf, rowsSince
from twisted_ext.resolver.policy.zones.compiler import NOT_LOADED, SERVED, apexOf
from twisted_ext.server.features.base.tables import TableKeeper, counted
from twisted_ext.server.features.policyzones.zones import namedZones, zonesOfAll
from twisted_ext.server.features.views.settings import POLICY_VIEW

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.resolver.policy.zones.compiler import Given
    from twisted_ext.resolver.policy.zones.rules import PolicyZones
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.zones.load.zoneset import ZoneSet
    from twisted_ext.server.zones.load.zonesets import ZoneSets
    from twisted_ext.zone.store.version import Version

__all__ = ["PolicyZoneFiles"]

_log: Final = Logger(__name__)

#: Seconds between two publications of changes: each of them empties the packet cache.
_PAUSE: Final = 5.0

#: Names that may differ from the table; with more another one is made.
_ROWS: Final = 10_000

#: Seconds until a zone is read again that could not be.
_AGAIN: Final = 5.0


class PolicyZoneFiles(TableKeeper):
    """
    The policy zones of one server, in files or among its zones. It publishes C{{"table": the path of the table in force, "changes": what
    has changed since that was made, by the names of zones}}, see L{ChangedZones
    <twisted_ext.resolver.policy.zones.changed.ChangedZones>}.
    """

    module = "twisted_ext.resolver.policy.zones.compiler"
    kept = "policyzones.table"
    called = "policy zones"
    setting = "policy-zones"
    # The zones of a table are numbered by bits.
    most = 64

    def __init__(self, reactor: IReactorTime, settings: Settings) -> None:
        super().__init__(reactor, settings)
        self._sets: ZoneSets | None = None
        # Of zones that this server has: the versions that the table in force has, and those that the next one will have.
        self._bases: dict[str, Version] = {}
        self._next: dict[str, Version] = {}
        # What has changed in them since the table was made, and in which versions.
        self._changes: dict[str, list[str]] = {}
        self._changed: dict[str, Version] = {}
        # For which versions another table was asked for last, and how often.
        self._asked: dict[str, Version] = {}
        self._turns: dict[str, int] = {}
        # Those of which it was said that rules about servers have no effect.
        self._warned: set[str] = set()
        # Whether there are changes to publish, and when that may be done.
        self._isDirty = False
        self._due = float("-inf")
        self._soon: IDelayedCall | None = None
        self._use(settings)

    def serve(self, sets: ZoneSets) -> None:
        self._sets = sets
        self._watch()

    def _watch(self) -> None:
        """
        Be told of changes of zones. A view gets a set of zones when it has some.
        """
        for each in self._served:
            each.zones.noticed = self._noticed

    @property
    def _served(self) -> list[ZoneSet]:
        """
        The sets of zones that may have a policy zone.
        """
        if self._sets is None:
            return []
        policies = self._sets.views.get(POLICY_VIEW)
        return [self._sets.common] if policies is None else [policies, self._sets.common]

    def _noticed(self) -> None:
        # In the next turn: whoever changes zones is not done yet.
        if self._bases and self._soon is None:
            self._soon = self._reactor.callLater(0, self._catchUp)

    def _catchUp(self) -> None:
        if self._soon is not None and self._soon.active():
            self._soon.cancel()
        self._soon = None
        self._follow()
        if self._isDirty and self._reactor.seconds() >= self._due:
            self._tellAll()

    def _use(self, settings: Settings) -> None:
        self._wanted = self._words = [each.word for each in zonesOfAll(settings)]

    def _versionOf(self, word: str) -> Version | None:
        """
        Return the version in force of a zone that this server has; L{None} if there is none, or if it is a file.
        """
        apex = apexOf(word) if RuleList(word).path == SERVED else b""
        for each in self._served if apex else ():
            place = each.zones.at(apex)
            if place is not None:
                # One that has expired is better than none.
                zone = place.served()
                return None if zone is None else zone.current
        return None

    def _stateOf(self, word: str) -> tuple[int, ...]:
        if RuleList(word).path != SERVED:
            return super()._stateOf(word)
        return self._turns.get(word, 0), self._versionOf(word) is not None

    def _job(self) -> Mapping[str, object]:
        self._next = {word: version for word in self._words if (version := self._versionOf(word)) is not None}
        self._asked.update(self._next)
        return {"images": {word: self._given(word, version) for word, version in self._next.items()}}

    def _given(self, word: str, version: Version) -> Given:
        image = version.image
        path, offset = image.path, image.start
        if not path:
            path, offset = f"{self._madeFolder()}/{apexOf(word).hex()}.image", 0
            image.copyTo(path)
        return {"path": path, "offset": offset, "state": [image.summed, version.serial], "rows": rowsOf(version)}

    def _came(self) -> None:
        self._warn()
        kept = {each.list for each in self.lists if each.kept}
        for word, version in self._next.items():
            if word in kept:
                # Its image was replaced meanwhile, most likely; otherwise it is to be tried again.
                self._retry = min(self._retry, self._reactor.seconds() + _AGAIN)
                continue
            self._bases[word] = version
            self._changes.pop(word, None)
            self._changed.pop(word, None)
        self._follow()

    def look(self) -> None:
        self._watch()
        self._catchUp()
        super().look()

    def close(self) -> None:
        """
        Stop following zones, and remove the table.
        """
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        for each in self._served:
            each.zones.noticed = lambda: None
        super().close()

    def _follow(self) -> None:
        """
        Find out what has changed in the zones of this server since the table in force was made.
        """
        for word, base in self._bases.items():
            version = self._versionOf(word)
            if version is None or version is self._changed.get(word):
                continue
            rows = rowsSince(version, base) if version.image is base.image else None
            if rows is not None and len(rows) <= _ROWS:
                self._isDirty = self._isDirty or rows != self._changes.get(word, [])
                self._changes[word], self._changed[word] = rows, version
            elif version is not self._asked.get(word):
                self._asked[word] = version
                self._turns[word] = self._turns.get(word, 0) + 1

    def _tellAll(self) -> None:
        self._isDirty = False
        self._due = self._reactor.seconds() + _PAUSE
        changes: dict[str, JSON] = {
            RuleList(word).name: [*rows] for word, rows in self._changes.items() if rows and word in self._wanted
        }
        self._publish(None if self._told is None else {"table": self._told, "changes": changes})

    def _said(self, word: str, each: RuleList | None) -> str:
        if each is None:
            return f"policy zone {RuleList(word).title} could not be read, and has no effect; the log says why"
        return f"policy zone {each.title} {each.said}, and has no effect" if each.kept and not each.names else ""

    def _tell(self, each: RuleList) -> None:
        rules = counted(each.names, "rule")
        if each.said == NOT_LOADED:
            kept = f"its former rules stay in force ({rules})" if each.names else "it has no effect until then"
            _log.info("policy zone {zone} {said}; {kept}", zone=each.title, said=each.said, kept=kept)
        elif each.kept:
            kept = f"it keeps its former {rules}" if each.names else "it has no effect"
            _log.error("policy zone {zone}: {said}; {kept}", zone=each.title, said=each.said, kept=kept)
        elif each.wrong:
            text = "policy zone {zone}: {rules}; {wrong} that cannot be used, the first: {said}"
            _log.warn(text, zone=each.title, rules=rules, wrong=f"{each.wrong:,}", said=each.said)
        else:
            _log.info("policy zone {zone}: {rules}", zone=each.title, rules=rules)

    def figures(self) -> dict[str, float]:
        """
        Return the numbers for metrics; none without zones.
        """
        failing = [each for each in self.lists if each.kept]
        return {"policyZones": len(self._wanted), "policyZonesWrong": len(failing)} if self._wanted else {}

    def samples(self) -> dict[str, dict[str, float]]:
        return {"policyZoneRules": {each.name: each.names for each in self.lists}}

    def facts(self) -> dict[str, JSON]:
        """
        Describe the zones, if there are any.
        """
        return {"policyZones": self.described()} if self._wanted else {}

    def described(self) -> dict[str, JSON]:
        """
        Return what is known of the zones.
        """
        serials = self._serials()
        known = {each.list: each for each in self.lists}
        settings = {each.word: each for each in namedZones(self._settings).values()}
        zones: list[JSON] = []
        reading = ", zones are being read" if self._reading else ""
        said: list[JSON] = [f"policy zones: {counted(self.names, 'rule')}{reading}"] if self._wanted else ["there are no policy zones"]
        for word in self._wanted:
            each, given, serial = known.get(word) or RuleList(word), settings[word], serials.get(word)
            zones.append(
                {
                    "zone": each.name, "apex": given.apex, "file": given.file, "serial": serial, "rules": each.names, "wrong": each.wrong,
                    "said": each.said, "kept": each.kept, "override": given.override, "trial": given.trial,
                }
            )  # fmt: skip
            parts = [f"  {each.title}: {counted(each.names, 'rule')}"]
            parts += [f"serial {serial}"] if serial is not None else []
            parts += [f"all of which do {given.override}"] if given.override != "given" else []
            parts += ["on trial"] if given.trial else []
            parts += [f"{each.wrong:,} that cannot be used, the first: {each.said}"] if each.wrong else []
            parts += [f"{'kept from before' if each.names else 'without effect'}; it {each.said}"] if each.kept else []
            said.append(", ".join(parts))
        return {"zones": zones, "reading": self._reading, "said": said}

    def _table(self) -> PolicyZones | None:
        """
        Return the rules of the table in force.
        """
        from twisted_ext.errors import BadImage
        from twisted_ext.resolver.policy.rules.table import PolicyTable
        from twisted_ext.resolver.policy.zones.rules import PolicyZones

        try:
            return PolicyZones(PolicyTable.map(self.path)) if self.path else None
        except (OSError, BadImage):
            return None

    def _listsIn(self, path: str) -> list[RuleList]:
        from twisted_ext.resolver.policy.rules.table import PolicyTable
        from twisted_ext.resolver.policy.zones.rules import PolicyZones

        return PolicyZones(PolicyTable.map(path)).zones

    def _warn(self) -> None:
        """
        Say once of each zone that its rules about servers have no effect.
        """
        zones = None if self._settings.role == "recurse" else self._table()
        for number, each in enumerate(() if zones is None else zones.zones):
            if zones is not None and zones.servers >> number & 1 and each.list not in self._warned:
                self._warned.add(each.list)
                text = "policy zone {zone}: its rules about servers (rpz-nsdname, rpz-nsip) have no effect: upstreams do not tell which"
                _log.warn(f"{text} servers their answers came from; role = recurse applies them", zone=each.title)

    def _serials(self) -> dict[str, int]:
        """
        Return the serial of each zone that has one, by its word.
        """
        zones = self._table()
        if zones is None:
            return {}
        found = {each.list: zones.soa(number) for number, each in enumerate(zones.zones)}
        # Five numbers of four octets are last; the serial is the first of them.
        serials = {word: int.from_bytes(soa[1][-20:-16], "big") for word, soa in found.items() if soa is not None}
        # What has changed since is in force as well.
        return {**serials, **{word: version.serial for word, version in self._changed.items()}}
