"""
The policy zones that one process applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from twisted.logger import Logger

from twisted_ext.errors import BadImage, BadName, CallerFault
from twisted_ext.resolver.policy.rules.source import PolicySource
from twisted_ext.resolver.policy.rules.table import PolicyTable
from twisted_ext.resolver.policy.zones.changed import ChangedZones
from twisted_ext.resolver.policy.zones.policy import ZonePolicy
from twisted_ext.resolver.policy.zones.rules import PolicyZones
from twisted_ext.resolver.policy.zones.source import PolicyZoneSource
from twisted_ext.resolver.policy.zones.verdict import noServers
from twisted_ext.server.features.base.feature import Active, Part, Site, Stage
from twisted_ext.server.features.policyzones.zones import chosenZones
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameFromText, nameToText
from twisted_ext.wire.rrtypes import A

if TYPE_CHECKING:
    from twisted_ext.answers import Answer
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.metrics.figures import JSON

__all__ = ["AppliedZones"]

_log: Final = Logger(__name__)


class AppliedZones(Active):
    """
    The policy zones in force for clients.

    @ivar policy: what they decide; reloads keep the object, with the table of rules in it.
    """

    answers = ("why",)
    policy: ZonePolicy

    def __init__(self, site: Site, former: AppliedZones | None) -> None:
        self._site = site
        zones = chosenZones(site.settings)
        self._choices = [each.choice for each in zones]
        policy = self.policy = ZonePolicy() if former is None else former.policy
        self._routed = [nameFromText(each.partition("=")[0]).lower() for each in site.settings.route]
        self.rereads = "policy zones"
        names = ", ".join([f"{each.name}{' on trial' * each.trial}" for each in zones])

        def wrapped(source: IAnswerSource) -> IAnswerSource:
            if isinstance(source, PolicySource):
                # Lists stand behind it: each decides between what the other does.
                return PolicyZoneSource(source.inner, policy, site.reactor, source.policy)
            return PolicyZoneSource(source, policy, site.reactor)

        self.parts = (Part(Stage.UPSTREAM, lambda: f"policy-zones: {names}", wrap=wrapped),)

    def _serversOf(self, name: bytes, answer: Answer | None) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """
        Return what is known of the servers of a name, unless an upstream of its own is asked for it.
        """
        return ((), ()) if any(isBelow(name, each) for each in self._routed) else self._site.servers(name, answer)

    def begin(self) -> None:
        # Upstreams do not tell which servers their answers came from.
        self.policy.servers = self._serversOf if self._site.settings.role == "recurse" else noServers
        self.policy.apply(self._choices)

    def take(self, state: JSON) -> None:
        """
        Use what L{PolicyZoneFiles<twisted_ext.server.features.policyzones.keeper.PolicyZoneFiles>} has published.
        """
        told = state if isinstance(state, dict) else {}
        path, changes = told.get("table"), told.get("changes")
        if path is None:
            return
        zones: PolicyZones | None = None
        try:
            zones = _zonesOf(str(path), changes if isinstance(changes, dict) else {}) if path else None
        except (OSError, BadImage, ValueError) as error:
            _log.error("the table of policy zones cannot be used: {error}", error=error)
        self.policy.use(zones)
        self._site.readmit()
        self._site.changed()

    def isPersonal(self, client: str) -> bool:
        return bool(self.policy.ofClient(client))

    def why(self, arguments: Mapping[str, str]) -> JSON:
        """
        Tell which rule decides about a question of a client of this view, as far as it is about the client or the name.

        @raise CallerFault: the name is not valid.
        """
        name, client, policy = arguments["name"], arguments["client"], self.policy
        try:
            wire = nameFromText(name)
        except BadName as error:
            raise CallerFault(f"{name!r} is not a name: {error}") from None
        hit = policy.before(wire, policy.ofClient(client))
        tried = policy.tried(Question(wire, A, 1), client, None)
        shown = nameToText(wire, final=False)
        said: list[JSON] = [f"{client} is in {f'view {self._site.view}' if self._site.view else 'no view'}"]
        said += ["the policy zones are being read"] if policy.waits else []
        said += [] if hit is None else [f"{shown} is decided by policy zone {policy.placeOf(hit)}: {hit.action.kind}"]
        said += [] if tried is None else [f"on trial, policy zone {policy.placeOf(tried)} would do {tried.action.kind}"]
        if policy.waitsFor(hit) and policy.needsAnswers:
            said.append("rules about addresses or servers may decide otherwise, once the name is looked up: see txdns control explain")
        kind = "" if hit is None else hit.action.kind
        return {
            "client": client,
            "view": self._site.view or None,
            "blocked": kind in ("nxdomain", "nodata", "drop"),
            "rewritten": kind == "given",
            "rule": None if hit is None else policy.placeOf(hit),
            "said": said,
        }

    def figures(self) -> dict[str, float]:
        hits = {f"policyZoneHits {' '.join(key)}": float(count) for key, count in self.policy.hits.items()}
        return {"blocked": 0, **hits} if self.policy.given else hits

    def close(self, heir: Active | None) -> None:
        if heir is None:
            # What waits for the first table goes on without one.
            self.policy.use(None)


#: Tables by their paths, and those with changes in front by what was published: all views use one.
_tables: Final[WeakValueDictionary[str, PolicyZones]] = WeakValueDictionary()
_changed: Final[WeakValueDictionary[int, ChangedZones]] = WeakValueDictionary()


def _zonesOf(path: str, changes: dict[str, JSON]) -> PolicyZones:
    """
    @param changes: what has changed since the table was made, by the names of zones.

    @raise OSError: it cannot be read.
    @raise BadImage: it is not a table.
    @raise ValueError: these are no changes.
    """
    zones = _tables.get(path)
    if zones is None:
        zones = _tables[path] = PolicyZones(PolicyTable.map(path))
    if not changes:
        return zones
    known = _changed.get(id(changes))
    if known is None or known.source is not changes:
        rows = {name: [str(row) for row in given] for name, given in changes.items() if isinstance(given, list)}
        numbers = {each.name: number for number, each in enumerate(zones.zones)}
        known = ChangedZones(zones, {numbers[name]: rows[name] for name in rows if name in numbers}, changes)
        _changed[id(changes)] = known
    return known
