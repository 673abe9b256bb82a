"""
Keeps the table of policy zones current.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_ext.resolver.policy.rules.table import RuleList
from twisted_ext.server.features.base.tables import TableKeeper, counted
from twisted_ext.server.features.policyzones.zones import namedZones, zonesOfAll

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["PolicyZoneFiles"]

_log: Final = Logger(__name__)


class PolicyZoneFiles(TableKeeper):
    """
    The files of the policy zones of one server. It publishes C{{"table": the path of the table in force}}.
    """

    module = "twisted_ext.resolver.policy.zones.compiler"
    kept = "policyzones.table"
    called = "policy zones"
    setting = "policy-zones"
    # The zones of a table are numbered by bits.
    most = 64

    def __init__(self, reactor: IReactorTime, settings: Settings) -> None:
        super().__init__(reactor, settings)
        self._use(settings)

    def _use(self, settings: Settings) -> None:
        self._wanted = self._words = [each.word for each in zonesOfAll(settings)]

    def _job(self) -> Mapping[str, object]:
        return {}

    def _tellAll(self) -> None:
        self._publish(None if self._told is None else {"table": self._told})

    def _said(self, word: str, each: RuleList | None) -> str:
        if each is None:
            return f"policy zone {RuleList(word).title} could not be read, and has no effect; the log says why"
        return f"policy zone {each.title} {each.said}, and has no effect" if each.kept and not each.names else ""

    def _tell(self, each: RuleList) -> None:
        rules = counted(each.names, "rule")
        if each.kept:
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
            parts += [f"kept from before; it {each.said}"] if each.kept else []
            said.append(", ".join(parts))
        return {"zones": zones, "reading": self._reading, "said": said}

    def _serials(self) -> dict[str, int]:
        """
        Return the serial of each zone that has one, by its word.
        """
        from twisted_ext.errors import BadImage
        from twisted_ext.resolver.policy.rules.table import PolicyTable
        from twisted_ext.resolver.policy.zones.rules import PolicyZones

        try:
            zones = PolicyZones(PolicyTable.map(self.path)) if self.path else None
        except (OSError, BadImage):
            zones = None
        if zones is None:
            return {}
        found = {each.list: zones.soa(number) for number, each in enumerate(zones.zones)}
        # Five numbers of four octets are last; the serial is the first of them.
        return {word: int.from_bytes(soa[1][-20:-16], "big") for word, soa in found.items() if soa is not None}
